//! Weights to be quantized, and the factored Hessians of their inputs.

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::formats::method::MethodOptions;
use crate::formats::solver::{Factor, FactorOptions, Hessian, Weight};
use crate::plan::Backend;

/// Factor of a Hessian, for the linears that ask for the same one.
pub type SharedFactor<'h> = Option<(FactorOptions, Factor<'h>)>;

/// Returns the factor that the options ask for, from the device if there is one. None: the method needs none.
pub fn factor_for<'f, 'h>(
    options: &dyn MethodOptions,
    hessian: &'h Hessian,
    weight: &Weight,
    shared: &'f mut SharedFactor<'h>,
    device: Option<&mut dyn Backend>,
) -> Result<Option<&'f Factor<'h>>> {
    let Some(wanted) = options.factor(weight) else { return Ok(None) };
    if shared.as_ref().is_none_or(|(known, _)| *known != wanted) {
        let factor = match device {
            Some(backend) => Factor::new_on(backend, hessian, &wanted)?,
            None => Factor::new(hessian, &wanted)?,
        };
        *shared = Some((wanted, factor));
    }
    Ok(shared.as_ref().map(|(_, factor)| factor))
}

/// Reads the weight of a linear in f32, rounded to bf16 as the model holds it: values, rows, columns.
pub fn weight_values(checkpoint: &Checkpoint, name: &str) -> Result<(Vec<f32>, usize, usize)> {
    let weight = format!("{name}.weight");
    let shape = checkpoint.tensors.get(&weight).map(|t| t.shape.clone());
    let Some([rows, cols]) = shape.as_deref() else {
        let fix = "config and weights are not of the same model; download both again";
        return Err(Error::malformed(&checkpoint.path, weight, "a matrix", "no such tensor", fix));
    };
    let mut halves = Vec::new();
    checkpoint.tensors.read_bf16(&weight, 0..rows * cols, &mut halves)?;
    Ok((halves.into_iter().map(|h| f32::from_bits(u32::from(h) << 16)).collect(), *rows, *cols))
}
