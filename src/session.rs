//! Opening a model by its name: on any device, as it is or quantized on the way.

use crate::error::Result;
use crate::formats::Quant;
use crate::generate::{DeviceChoice, Model, Spec, load_on};
use crate::progress::Progress;
use crate::quantize::calibration::Calibration;
use crate::quantize::{Settings, session::cached};

/// How a model is opened. The default opens it as it is, on the best adapter.
///
/// ```no_run
/// # fn main() -> qwgpu::Result<()> {
/// use qwgpu::{DeviceChoice, OpenOptions};
///
/// let options = OpenOptions { device: DeviceChoice::cpu(), context: Some(512), ..OpenOptions::default() };
/// let model = options.open("Qwen2.5-0.5B", &mut ())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The device that runs the model.
    pub device: DeviceChoice,
    /// Longest sequence in tokens; None is 4096, or less if the model was trained for less.
    pub context: Option<usize>,
    /// Quantizes the decoder layers; the result is kept in the user's cache.
    pub quant: Option<Quant>,
    /// What the quantization is calibrated on.
    pub calibration: Calibration,
}

impl OpenOptions {
    /// Finds the files or random weights that `model` names, quantized if the options say so.
    ///
    /// # Errors
    /// No such model; those of the quantization.
    pub fn spec(&self, model: &str, progress: &mut dyn Progress) -> Result<Spec> {
        Ok(match (Spec::parse(model)?, self.quant) {
            (Spec::Random { name, config, .. }, quant) => Spec::Random { name, config, quant },
            (Spec::Files(path) | Spec::Packed(path), Some(quant)) => {
                Spec::Files(cached(&path, Settings::new(quant), &self.calibration, &self.device, progress)?)
            }
            (files, None) => files,
        })
    }

    /// Opens `model`: a Hugging Face folder, a .gguf file, or `random:NAME` for a published shape with random weights.
    ///
    /// # Errors
    /// No such model, a damaged one, or one that does not fit the device; what `progress` returns.
    pub fn open(&self, model: &str, progress: &mut dyn Progress) -> Result<Model> {
        let spec = self.spec(model, progress)?;
        let opened = self.device.open()?;
        progress.note(&opened.run.to_string());
        load_on(&spec, opened, self.context, progress)
    }
}

impl Model {
    /// Opens a model with the default [`OpenOptions`]: a Hugging Face folder, a .gguf file, or `random:NAME` for a
    /// published shape with random weights.
    ///
    /// # Errors
    /// No such model, a damaged one, or one that does not fit the device.
    pub fn open(model: &str) -> Result<Model> {
        OpenOptions::default().open(model, &mut ())
    }
}
