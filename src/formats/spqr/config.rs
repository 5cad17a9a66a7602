//! `quantization_config` of SpQR folders, a layout of this program's own.

use serde_json::{Map, Value, json};

use super::Spqr;
use crate::checkpoint::NewTensor;
use crate::error::Result;
use crate::formats::QuantizedWeight;
use crate::formats::file::{Fields, FolderFormat, FolderLayout, FolderWriter, LinearFile, Notes, object, quantizer};

pub static FOLDER: FolderFormat = FolderFormat {
    quant_method: "spqr",
    tensors: &["spqr_q"],
    implied: |_| Ok(false),
    parse: |fields, _| Ok(Box::new(parse(fields)?)),
};

/// Settings of a SpQR folder.
#[derive(Clone, Debug, PartialEq)]
pub struct SpqrFolder {
    pub bits: u32,
    pub group_size: usize,
    pub scale_bits: u32,
    pub zero_bits: u32,
    pub outliers: OutlierMeaning,
}

/// Meaning of an outlier's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierMeaning {
    /// It is added to the dense weight.
    Add,
    /// It is the weight itself.
    Replace,
}

impl FolderLayout for SpqrFolder {
    fn read(&self, linear: &LinearFile, _: &Notes) -> Result<Box<dyn QuantizedWeight>> {
        Ok(Box::new(super::file::read(linear, self)?))
    }
}

impl FolderWriter for SpqrFolder {
    fn write(&self, prefix: &str, weight: &dyn QuantizedWeight) -> Result<Vec<NewTensor<'static>>> {
        Ok(super::file::write(prefix, weight.downcast_ref::<Spqr>().expect("a weight of the folder's format"), self))
    }

    fn to_json(&self) -> Map<String, Value> {
        object(json!({
            "quant_method": "spqr",
            "variant": "qwgpu-1",
            "bits": self.bits,
            "group_size": self.group_size,
            "stat_group": 16,
            "scale_bits": self.scale_bits,
            "zero_bits": self.zero_bits,
            "outlier_semantics": match self.outliers {
                OutlierMeaning::Add => "add",
                OutlierMeaning::Replace => "replace",
            },
            "meta": {"quantizer": [quantizer()]},
        }))
    }
}

fn parse(fields: &Fields) -> Result<SpqrFolder> {
    match fields.text(&["variant"])? {
        Some((_, "qwgpu-1")) => (),
        other => {
            let found =
                other.map_or("of its authors' package".to_owned(), |(name, variant)| format!("{name} {variant:?}"));
            let fix = "quantize the original weights with qwgpu's own spqr";
            return Err(fields.unsupported("quant_method \"spqr\"", found, fix));
        }
    }
    let number = |name: &'static str, least: i64, most: i64| match fields.whole(&[name])? {
        Some((_, number)) if (least..=most).contains(&number) => Ok(number),
        other => {
            let found = other.map_or(Value::Null, |(_, number)| number.into());
            Err(fields.bad(name, &format!("a number from {least} to {most}"), &found))
        }
    };
    number("stat_group", 16, 16)?;
    let group_size = number("group_size", 16, 1 << 20)?;
    if group_size % 16 != 0 {
        return Err(fields.bad("group_size", "a multiple of 16", &group_size.into()));
    }
    Ok(SpqrFolder {
        bits: fields.bits()?,
        group_size: group_size as usize,
        scale_bits: number("scale_bits", 2, 8)? as u32,
        zero_bits: number("zero_bits", 2, 8)? as u32,
        outliers: match fields.text(&["outlier_semantics"])? {
            Some((_, "add")) => OutlierMeaning::Add,
            Some((_, "replace")) => OutlierMeaning::Replace,
            other => {
                return Err(fields.bad(
                    "outlier_semantics",
                    "\"add\" or \"replace\"",
                    &json!(other.map(|(_, text)| text)),
                ));
            }
        },
    })
}
