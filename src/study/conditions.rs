//! Conditions of a study's measurements, as its report lists them.

use super::machine::Machine;
use super::model::StudyModel;
use super::settings::StudySettings;
use crate::bench::COMMIT;
use crate::date;
use crate::digest::sha256;
use crate::report::data::{Conditions, Fact};

/// Returns everything that a reader should know of how it was measured.
pub fn conditions(settings: &StudySettings, machine: &Machine, models: &[StudyModel]) -> Conditions {
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
    let digests = models.iter().flat_map(|model| {
        let texts = model.texts.iter().map(|(text, ids)| (text.title.to_owned(), digest(ids)));
        let own = [(String::new(), model.digest.clone()), ("tokenizer".to_owned(), model.tokenizer.clone())];
        own.into_iter()
            .chain(texts.map(|(title, digest)| (format!("tokens of {title}"), digest)))
            .map(|(of, digest)| fact(format!("{} {of}", model.name).trim(), digest))
    });
    let version = format!("{} at {COMMIT}", env!("CARGO_PKG_VERSION"));
    Conditions {
        command: settings.command.clone(),
        date: date::today(),
        qwgpu: version,
        adapter: machine.scores.clone(),
        driver: machine.driver.clone(),
        path: settings.device.path.name().to_owned(),
        perplexity_protocol: "disjoint windows, no token in front, each on its own".into(),
        speed_protocol: format!(
            "prompt {} and {} generated, batch 1, greedy, after one run; {}, path {}",
            settings.speed.0,
            settings.speed.1,
            machine.speed,
            settings.speed_path().name()
        ),
        digests: digests.collect(),
        seeds: vec![fact("few-shot examples", "1234".into()), fact("bootstrap", "0".into())],
        others: [
            fact("calibration", settings.calibration.file.as_ref().map_or("none".into(), |f| f.display().to_string())),
            fact(
                "calibration samples",
                format!("{} of {} tokens", settings.calibration.samples, settings.calibration.length),
            ),
        ]
        .into_iter()
        .chain(models.iter().flat_map(StudyModel::facts))
        .collect(),
    }
}

/// Returns the digest of a text's tokens.
pub(super) fn digest(ids: &[u32]) -> String {
    sha256(bytemuck::cast_slice::<_, u8>(ids))
}
