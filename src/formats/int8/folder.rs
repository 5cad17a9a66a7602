//! bitsandbytes 8-bit folders: `quantization_config`, and the tensors of a linear: codes by rows, and each row's largest
//! magnitude.

use serde_json::{Map, Value, json};

use super::Int8;
use crate::checkpoint::NewTensor;
use crate::error::Result;
use crate::formats::QuantizedWeight;
use crate::formats::file::linear::{LinearFile, tensor, words};
use crate::formats::file::{Fields, FolderFormat, FolderLayout, FolderWriter, Notes, OTHERS, object};

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

impl FolderWriter for Int8Folder {
    fn write(&self, prefix: &str, weight: &dyn QuantizedWeight) -> Result<Vec<NewTensor<'static>>> {
        let Int8 { rows, cols, codes, scales, .. } = weight.downcast_ref().expect("a weight of the folder's format");
        let codes = codes.iter().map(|&code| code as u8).collect();
        let scales = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        Ok(vec![
            tensor(prefix, "weight", "I8", &[*rows, *cols], codes),
            tensor(prefix, "SCB", "F32", &[*rows], scales),
            tensor(prefix, "weight_format", "U8", &[], vec![0]),
        ])
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
            _ => return Err(fields.bad(name, "a number of 0 or more")),
        },
    };
    Ok(Int8Folder { threshold, skip: fields.names(&["llm_int8_skip_modules"])? })
}

impl FolderLayout for Int8Folder {
    fn read(&self, linear: &LinearFile, _: &Notes) -> Result<Box<dyn QuantizedWeight>> {
        let (rows, cols) = (linear.rows, linear.cols);
        linear.expect("weight", &["I8"], &[rows, cols])?;
        let fix = "the row scales are missing, without which the codes mean nothing; fetch the folder again";
        linear.typed("SCB", &["F32"], fix)?;
        linear.expect("SCB", &["F32"], &[rows])?;
        // Old files leave it out: they are by rows.
        if linear.info("weight_format").is_some() {
            let tensor = linear.typed("weight_format", &["U8"], "quantize the model again")?;
            if tensor.elements() != 1 {
                let found = format!("shape {:?}", tensor.shape);
                return Err(linear.bad("weight_format", "one number", found, "quantize the model again"));
            }
            let format = linear.bytes("weight_format")?[0];
            if format != 0 {
                let fix = "the codes are tiled for one GPU; quantize the model again with a current bitsandbytes";
                return Err(linear.bad("weight_format", "0, codes by rows", format, fix));
            }
        }
        let scales: Vec<f32> = words(&linear.bytes("SCB")?).into_iter().map(f32::from_bits).collect();
        if let Some(row) = scales.iter().position(|scale| !(0.0..f32::INFINITY).contains(scale)) {
            return Err(linear.bad_element("SCB", row, "a magnitude: finite, 0 or more", scales[row]));
        }
        let codes: Vec<i8> = linear.bytes("weight")?.into_iter().map(|byte| byte as i8).collect();
        if let Some(at) = codes.iter().position(|&code| code == i8::MIN) {
            return Err(linear.bad_element("weight", at, "a code from -127 to 127", codes[at]));
        }
        Ok(Box::new(Int8 { rows, cols, codes, scales, threshold: self.threshold }))
    }
}
