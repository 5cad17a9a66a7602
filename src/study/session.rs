//! A study from its settings to its report.

use std::fs::File;
use std::time::{Duration, Instant};

use super::adapters::StudyAdapters;
use super::conditions::conditions;
use super::form_run::FormRun;
use super::matrix::ModelForm;
use super::memory_speed::AdapterKnown;
use super::model::StudyModel;
use super::settings::StudySettings;
use super::step::ends_study;
use crate::error::{Error, Result};
use crate::formats::Method;
use crate::lock::lock_folder;
use crate::progress::Progress;
use crate::report::data::{self, NamedValue, SCHEMA};
use crate::report::write;

/// The report takes seconds to write, so that forms measured before do not each write one.
const REWRITE: Duration = Duration::from_secs(60);

/// A study that is ready to run: its forms, its models without their weights, and the requests of its benchmarks.
pub struct Study {
    pub(super) settings: StudySettings,
    pub(super) adapters: StudyAdapters,
    pub(super) models: Vec<StudyModel>,
    pub(super) forms: Vec<ModelForm>,
    /// Held while the study's folder is written.
    lock: Option<File>,
}

impl Study {
    /// Opens the models and makes all requests; no weights are read.
    ///
    /// # Errors
    /// Models, data or texts that are not there; settings that contradict each other or do not fit a model.
    pub fn prepare(settings: StudySettings) -> Result<Study> {
        let forms = settings.matrix.forms()?;
        let calibrated = |form: &ModelForm| form.settings.as_ref().is_some_and(|s| s.quant.method.calibrated);
        if settings.calibration.file.is_none() && forms.iter().any(calibrated) {
            let expected = format!("a file for {}", Method::calibrated_names());
            let fix = "give a text, .jsonl or .json, or leave them out of `methods`";
            return Err(Error::request("`calibration`", expected, "none", fix));
        }
        if settings.models.is_empty() {
            return Err(Error::request("`models`", "a model", "none", "give one or more"));
        }
        let adapters = StudyAdapters::new(&settings)?;
        let mut models: Vec<StudyModel> = Vec::new();
        for name in &settings.models {
            let model = StudyModel::open(name, &settings, &adapters)?;
            if models.iter().any(|other| other.name == model.name) {
                let fix = "give the folders different names: results are kept and shown by them";
                return Err(Error::request("`model`", "models with different names", &model.name, fix));
            }
            models.push(model);
        }
        if settings.matrix.packed && models.iter().all(|model| model.gguf_bits.is_none()) {
            let names = settings.models.join(", ");
            let fix = "leave `packed` out, or add a .gguf file";
            return Err(Error::request("`packed`", "a GGUF file among the models", names, fix));
        }
        Ok(Study { settings, adapters, models, forms, lock: None })
    }

    /// Makes the study's folder and locks it until the study ends. [`Study::cost`] keeps its rates there.
    ///
    /// # Errors
    /// Another process writes it; it cannot be made.
    pub fn begin(&mut self) -> Result<()> {
        let out = &self.settings.out;
        std::fs::create_dir_all(out).map_err(Error::io(out))?;
        self.lock = Some(lock_folder(out, "`out`")?);
        Ok(())
    }

    /// Measures every form of every model that is not measured yet, and writes the report. A form that cannot be
    /// measured is left out and named in the report.
    ///
    /// # Errors
    /// Those that would end every form; what `progress` returns.
    pub fn run(mut self, progress: &mut dyn Progress) -> Result<data::StudyResult> {
        if self.lock.is_none() {
            self.begin()?;
        }
        self.adapters.probe(&self.settings)?;
        self.adapters.lines.iter().for_each(|line| progress.note(line));
        let progress = &mut AdapterKnown(progress);
        let Study { settings, adapters, mut models, forms, lock: _lock } = self;
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        let mut study = data::StudyResult {
            schema: SCHEMA,
            title: format!("What quantization costs: {}", names.join(", ")),
            note: settings.note.clone(),
            conditions: conditions(&settings, &adapters, &models),
            runs: Vec::new(),
            failures: Vec::new(),
            missing: models.iter().flat_map(|m| m.forms(&forms).map(|form| form.name_of(&m.name))).collect(),
        };
        let all = study.missing.len();
        let (mut written, mut elapsed) = (Instant::now(), Vec::new());
        for model in &mut models {
            let mut evaluation = model.evaluation.take();
            for form in model.forms(&forms) {
                let name = form.name_of(&model.name);
                let left = study.missing.len();
                let hours = elapsed.iter().sum::<f64>() / elapsed.len() as f64 * left as f64 / 3600.0;
                let eta = if elapsed.is_empty() { String::new() } else { format!(", about {hours:.1} hours left") };
                progress.note(&format!("== {name}: {} of {all}{eta}", all - left + 1));
                let start = Instant::now();
                let run = FormRun::new(&settings, &adapters, model, form, &mut study.conditions, progress);
                match run.and_then(|run| run.run(evaluation.as_mut())) {
                    Ok(run) => study.runs.push(run),
                    Err(error) if ends_study(&error) => return Err(error),
                    Err(error) => {
                        progress.note(&format!("{name} is left out: {error}"));
                        study.failures.push(NamedValue::new(&name, error.to_string()));
                    }
                }
                study.missing.retain(|other| *other != name);
                // Forms that were measured before say nothing of those to come.
                elapsed.extend(Some(start.elapsed().as_secs_f64()).filter(|seconds| *seconds > 10.0));
                // So that a long study can be looked at while it runs.
                if written.elapsed() > REWRITE {
                    write(&study, &settings.out)?;
                    written = Instant::now();
                }
            }
        }
        write(&study, &settings.out)?;
        Ok(study)
    }
}
