//! Linears of bitsandbytes 8-bit folders: codes by rows, and each row's largest magnitude.

use super::Int8;
use crate::checkpoint::NewTensor;
use crate::error::Result;
use crate::formats::file::linear::{LinearFile, words};

pub(super) fn read(linear: &LinearFile, threshold: f32) -> Result<Int8> {
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
    Ok(Int8 { rows, cols, codes, scales, threshold })
}

pub(super) fn write(prefix: &str, weight: &Int8) -> Vec<NewTensor<'static>> {
    let tensor = |part: &str, dtype: &str, shape: &[usize], bytes: Vec<u8>| {
        NewTensor::from_bytes(format!("{prefix}.{part}"), dtype, shape, bytes)
    };
    vec![
        tensor("weight", "I8", &[weight.rows, weight.cols], weight.codes.iter().map(|&code| code as u8).collect()),
        tensor("SCB", "F32", &[weight.rows], weight.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect()),
        tensor("weight_format", "U8", &[], vec![0]),
    ]
}
