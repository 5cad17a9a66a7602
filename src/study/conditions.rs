//! Conditions of a study's measurements, as its report lists them.

use super::adapters::StudyAdapters;
use super::model::StudyModel;
use super::settings::StudySettings;
use crate::bench::COMMIT;
use crate::date;
use crate::digest::sha256;
use crate::report::data::{Conditions, NamedValue};

/// Returns everything that a reader should know of how it was measured.
pub fn conditions(settings: &StudySettings, adapters: &StudyAdapters, models: &[StudyModel]) -> Conditions {
    let digests = models.iter().flat_map(|model| {
        let texts = model.texts.iter().map(|(text, ids)| (format!(" tokens of {}", text.title), digest(ids)));
        let files = [(String::new(), model.digest.clone()), (" tokenizer".to_owned(), model.tokenizer.clone())];
        files.into_iter().chain(texts).map(|(of, digest)| NamedValue::new(format!("{}{of}", model.name), digest))
    });
    let calibration = &settings.calibration;
    let file = calibration.file.as_ref().map_or("none".into(), |file| file.display().to_string());
    let samples = format!("{} of {} tokens", calibration.samples, calibration.length);
    let mut others = vec![NamedValue::new("calibration", file), NamedValue::new("calibration samples", samples)];
    others.push(NamedValue::new("keys and values in the cache", adapters.scores_cache.name()));
    others.extend(models.iter().flat_map(StudyModel::facts));
    Conditions {
        command: settings.command.clone(),
        date: date::today(),
        qwgpu: format!("{} at {COMMIT}", env!("CARGO_PKG_VERSION")),
        adapter: adapters.scores.clone(),
        driver: adapters.driver.clone(),
        path: settings.device.path.name().to_owned(),
        perplexity_protocol: "disjoint windows, no token in front, each on its own".into(),
        speed_protocol: format!(
            "prompt {} and {} generated, batch 1, greedy, after one run; {}, path {}",
            settings.speed.0,
            settings.speed.1,
            adapters.speed,
            settings.speed_path().name()
        ),
        digests: digests.collect(),
        seeds: vec![NamedValue::new("few-shot examples", "1234"), NamedValue::new("bootstrap", "0")],
        others,
    }
}

/// Returns the digest of a text's tokens.
pub(super) fn digest(ids: &[u32]) -> String {
    sha256(bytemuck::cast_slice::<_, u8>(ids))
}
