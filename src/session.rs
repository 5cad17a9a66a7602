//! Opening a model by its name: on any device, as it is or quantized on the way.

use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::formats::gguf::blocks::Block;
use crate::formats::{Quant, QuantType};
use crate::generate::{DeviceChoice, Model, Spec, load_on};
use crate::progress::Progress;
use crate::quantize::calibration::Calibration;
use crate::quantize::{Settings, session::cached};

/// Options of opening a model. The default opens it as it is, on the best adapter.
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
    /// Widens the blocks of a GGUF file to bf16. Otherwise they run as the file has them.
    pub dequantize: bool,
    /// Quantization type that the model is brought to. A method's result is kept in the user's cache.
    pub quant: Option<QuantType>,
    /// Rounds embedding and output matrix to 8 bits, beside a method.
    pub lm_head: bool,
    /// Calibration of the quantization.
    pub calibration: Calibration,
}

impl OpenOptions {
    /// Finds the files or random weights that `model` names, quantized if the options say so.
    ///
    /// # Errors
    /// No such model; blocks of GGUF that its file does not have; those of the quantization.
    pub fn spec(&self, model: &str, progress: &mut dyn Progress) -> Result<Spec> {
        if let (Some(QuantType::Block(block)), true) = (self.quant, self.dequantize) {
            let fix = "leave one of them out";
            return Err(Error::request("`quant`", "a method with `dequantize`", block.name, fix));
        }
        if self.quant.is_none() && self.calibration.file.is_some() {
            let fix = "add `quant`, or leave `calibration` out";
            return Err(Error::request("`calibration`", "`quant` with it", "none", fix));
        }
        if self.lm_head && !matches!(self.quant, Some(QuantType::Method(_))) {
            let fix = "add `quant` with a method, or leave `lm_head` out";
            let found = self.quant.map_or("none".to_owned(), |quant| quant.to_string());
            return Err(Error::request("`lm_head`", "a method in `quant` with it", found, fix));
        }
        Ok(match (Spec::parse(model)?, self.quant) {
            (Spec::Random { name, config, .. }, quant) => Spec::Random { name, config, quant, lm_head: self.lm_head },
            (Spec::Files { path, .. }, Some(QuantType::Method(quant))) => {
                let mut settings = Settings::best(quant);
                settings.run.lm_head = self.lm_head;
                Spec::files(cached(&path, settings, &self.calibration, &self.device, progress)?)
            }
            (Spec::Files { path, .. }, Some(QuantType::Block(block))) => {
                expect_blocks(&path, block)?;
                Spec::files(path)
            }
            (Spec::Files { path, .. }, None) => Spec::Files { path, dequantize: self.dequantize },
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

/// Checks that a model has blocks of this type.
fn expect_blocks(model: &Path, block: &Block) -> Result<()> {
    if Checkpoint::open(model)?.tensors.infos().iter().any(|tensor| tensor.storage.name == block.name) {
        return Ok(());
    }
    let found = format!("{}, of which {} has no blocks", block.name, model.display());
    let fix = "no method here makes such blocks: choose a method, or open a .gguf file that has them";
    Err(Error::request("`quant`", Quant::known(), found, fix))
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
