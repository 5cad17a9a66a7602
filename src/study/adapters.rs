//! The adapters that a study runs on.

use serde_json::json;

use super::settings::StudySettings;
use super::step::cached;
use crate::bench::kernels::probes;
use crate::error::Result;
use crate::generate::KvType;

/// The adapters of a study, as its report names them.
pub struct StudyAdapters {
    /// The adapter of perplexities and scores.
    pub scores: String,
    /// The adapter of speed and memory.
    pub speed: String,
    /// Lines that name them, without repeats.
    pub lines: Vec<String>,
    /// Types of their caches.
    pub scores_cache: KvType,
    /// See `scores_cache`.
    pub speed_cache: KvType,
    /// The driver of the latter.
    pub driver: Option<String>,
    /// Bytes a second of a plain copy where speed is measured.
    pub bandwidth: Option<f64>,
}

impl StudyAdapters {
    /// Opens both devices and returns their names.
    ///
    /// # Errors
    /// A device cannot be opened.
    pub fn new(settings: &StudySettings) -> Result<StudyAdapters> {
        let run = |path| Ok(settings.device_on(path).open()?.run);
        let (scores, speed) = (run(settings.device.path)?, run(settings.speed_path())?);
        let mut lines = vec![scores.to_string(), speed.to_string()];
        lines.dedup();
        let (scores_cache, speed_cache) = (scores.kv_cache, speed.kv_cache);
        let (scores, speed) = (scores.adapter, speed.adapter);
        Ok(StudyAdapters { scores, speed, lines, scores_cache, speed_cache, driver: None, bandwidth: None })
    }

    /// Finds what takes a moment: the driver, and the bandwidth.
    ///
    /// # Errors
    /// Those of the device; the result cannot be kept.
    pub fn probe(&mut self, settings: &StudySettings) -> Result<()> {
        let path = settings.speed_path();
        let key = json!([path.name(), self.speed]);
        let found: Option<(String, f64)> = cached(&settings.out.join("copy.json"), key, || {
            Ok(probes(&settings.device_on(path))?.map(|(facts, probes)| (facts.driver, probes.copy.per_second())))
        })?;
        (self.driver, self.bandwidth) = found.unzip();
        Ok(())
    }
}
