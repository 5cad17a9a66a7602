//! Runs one plan on two backends side by side and finds the first step where they part.

use super::compare::{Difference, compare};
use super::{Backend, Element, Plan, Step};
use crate::error::Result;

/// A step whose output differs by more than it may.
#[derive(Clone, Debug)]
pub struct Parting {
    /// Number of the step in the plan.
    pub number: usize,
    pub step: String,
    pub kernel: &'static str,
    /// Row and column of the largest difference.
    pub row: usize,
    pub col: usize,
    pub expected: f32,
    pub found: f32,
    pub difference: Difference,
    pub allowed: f64,
}

/// Comparison of one step with the reference.
pub struct Seen<'a> {
    pub number: usize,
    pub step: &'a Step,
    pub difference: Difference,
    pub allowed: f64,
}

/// Runs `plan` step by step on `reference` and on `device`, which hold the same tensors under the
/// same numbers, and compares every output. After each step the reference goes on from the device's
/// output, so that a step is judged by its own error alone, at the device's tolerance for its kernel.
/// Integer outputs must be equal.
///
/// Gives the first step that parts; `seen` hears of every step and may stop the check.
pub fn check(
    plan: &Plan,
    reference: &mut dyn Backend,
    device: &mut dyn Backend,
    seen: &mut dyn FnMut(Seen) -> Result<()>,
) -> Result<Option<Parting>> {
    let expected_program = reference.prepare(plan, true)?;
    let device_program = device.prepare(plan, true)?;
    let mut parted = None;
    for (number, step) in plan.steps.iter().enumerate() {
        reference.run_steps(expected_program, number..number + 1)?;
        device.run_steps(device_program, number..number + 1)?;
        let output = step.output();
        let expected = reference.read(Some(expected_program), output)?;
        let found = device.read(Some(device_program), output)?;
        let allowed = device.tolerance(step.kernel);
        let as_values = |words: &[u32]| -> Vec<f32> {
            match output.element {
                Element::F32 => bytemuck::cast_slice(words).to_vec(),
                Element::U32 | Element::Bf16 => words.iter().map(|&w| w as f32).collect(),
            }
        };
        let (e, f) = (as_values(&expected), as_values(&found));
        let difference = compare(&e, &f);
        seen(Seen { number, step, difference, allowed })?;
        // Written so that NaN parts too.
        let close = difference.nmse <= allowed;
        if !close {
            let at = difference.at;
            parted = Some(Parting {
                number,
                step: step.name.clone(),
                kernel: step.kernel.name,
                row: at / output.cols,
                col: at % output.cols,
                expected: e[at],
                found: f[at],
                difference,
                allowed,
            });
            break;
        }
        reference.write(Some(expected_program), output, 0, &found)?;
    }
    reference.release(expected_program);
    device.release(device_program);
    Ok(parted)
}
