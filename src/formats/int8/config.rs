//! LLM.int8() as a method, and `quantization_config` of bitsandbytes 8-bit folders.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{FORMAT, Int8, THRESHOLD, int8, random};
use crate::checkpoint::NewTensor;
use crate::error::{Error, Result};
use crate::formats::QuantizedWeight;
use crate::formats::file::{Fields, FolderFormat, FolderLayout, FolderWriter, LinearFile, Notes, OTHERS, object};
use crate::formats::method::{Calibration, Method, RunOptions, Solver};
use crate::formats::solver::{FactorOptions, Quantized, Weight};

pub static METHOD: Method = Method {
    name: "int8",
    title: "LLM.int8()",
    about: "scales rows by their largest magnitude and multiplies outlier inputs in f32 (Dettmers et al., 2022)",
    description: "Weights and activations are rounded to 8 bits. The few input columns with the largest values stay in \
                  16 bits.",
    format: &FORMAT,
    bits: &[8],
    default_bits: 8,
    calibrated: false,
    options: || Box::new(Int8Options::default()),
    #[cfg(feature = "cli")]
    args: <Int8Options as clap::Args>::augment_args_for_update,
    comparisons: &[],
    has_outliers: false,
    random,
};

/// Options of LLM.int8().
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct Int8Options {
    /// Inputs of at least this magnitude stay out of the 8-bit product; 0: none do
    #[cfg_attr(feature = "cli", arg(long, value_name = "VALUE"))]
    pub threshold: f32,
}

impl Default for Int8Options {
    fn default() -> Int8Options {
        Int8Options { threshold: THRESHOLD }
    }
}

impl Solver for Int8Options {
    fn check(&self, _: u32) -> Result<()> {
        match self.threshold >= 0.0 && self.threshold.is_finite() {
            true => Ok(()),
            false => {
                Err(Error::request("`threshold`", "a number of 0 or more", self.threshold, "bitsandbytes takes 6"))
            }
        }
    }

    fn factor(&self, _: &Weight<'_>) -> Option<FactorOptions> {
        None
    }

    fn quantize(&self, _: u32, weight: &Weight<'_>, calibration: Calibration<'_>) -> Result<Quantized> {
        int8(weight, self.threshold, calibration.hessian)
    }

    fn folder(&self, _: u32, run: &RunOptions) -> Box<dyn FolderWriter> {
        Box::new(Int8Folder { threshold: self.threshold, skip: run.skip.clone() })
    }
}

pub static FOLDER: FolderFormat = FolderFormat {
    quant_method: "bitsandbytes",
    tensors: &["SCB"],
    // Configs older than `quant_method`.
    implied: |fields| Ok(flag(fields, "load_in_8bit")? || flag(fields, "load_in_4bit")?),
    parse: |fields, _| Ok(Box::new(parse(fields)?)),
};

/// Settings of a bitsandbytes 8-bit folder.
#[derive(Clone, Debug)]
pub struct Int8Folder {
    /// Inputs of at least this magnitude are outliers; 0: none are.
    pub threshold: f32,
    /// Modules left unquantized beside the output matrix; for other readers, here the tensors show it.
    pub skip: Vec<String>,
}

impl FolderLayout for Int8Folder {
    fn read(&self, linear: &LinearFile, _: &Notes) -> Result<Box<dyn QuantizedWeight>> {
        Ok(Box::new(super::file::read(linear, self.threshold)?))
    }
}

impl FolderWriter for Int8Folder {
    fn write(&self, prefix: &str, weight: &dyn QuantizedWeight) -> Result<Vec<NewTensor<'static>>> {
        Ok(super::file::write(prefix, weight.downcast_ref::<Int8>().expect("a weight of the folder's format")))
    }

    fn to_json(&self) -> Map<String, Value> {
        object(json!({
            "quant_method": "bitsandbytes",
            "load_in_8bit": true,
            "load_in_4bit": false,
            "llm_int8_threshold": self.threshold,
            "llm_int8_has_fp16_weight": false,
            "llm_int8_skip_modules": if self.skip.is_empty() { Value::Null } else { json!(self.skip) },
            "llm_int8_enable_fp32_cpu_offload": false,
        }))
    }
}

fn flag(fields: &Fields, name: &'static str) -> Result<bool> {
    let private = if name == "load_in_8bit" { "_load_in_8bit" } else { "_load_in_4bit" };
    Ok(fields.flag(&[name, private])? == Some(true))
}

fn parse(fields: &Fields) -> Result<Int8Folder> {
    if flag(fields, "load_in_4bit")? || !flag(fields, "load_in_8bit")? {
        return Err(fields.unsupported("quant_method", "\"bitsandbytes\" in 4 bits", OTHERS));
    }
    if fields.flag(&["llm_int8_has_fp16_weight"])? == Some(true) {
        return Err(fields.unsupported("llm_int8_has_fp16_weight", true, OTHERS));
    }
    let threshold = match fields.find(&["llm_int8_threshold"])? {
        None => 6.0,
        Some((name, value)) => match value.as_f64() {
            Some(number) if (0.0..=f64::from(f32::MAX)).contains(&number) => number as f32,
            _ => return Err(fields.bad(name, "a number of 0 or more", value)),
        },
    };
    Ok(Int8Folder { threshold, skip: fields.names(&["llm_int8_skip_modules"])? })
}
