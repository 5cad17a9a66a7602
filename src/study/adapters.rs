//! The adapters that a study runs on.

use serde_json::json;

use super::settings::StudySettings;
use super::step::cached;
use crate::bench::kernels::probes;
use crate::error::Result;

/// The adapters of a study, as its report names them.
pub struct StudyAdapters {
    /// The adapter of perplexities and scores.
    pub scores: String,
    /// The adapter of speed and memory.
    pub speed: String,
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
        let adapter = |path| Ok(settings.device_on(path).open()?.run.adapter);
        let (scores, speed) = (adapter(settings.device.path)?, adapter(settings.speed_path())?);
        Ok(StudyAdapters { scores, speed, driver: None, bandwidth: None })
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
