//! Runs one plan on two backends side by side and finds the first step where they part.

use super::compare::{Difference, compare};
use super::{Backend, Plan, Step};
use crate::error::Result;

/// Comparison of a step's output with the reference.
#[derive(Clone, Debug)]
pub struct StepCheck {
    /// Number of the step in the plan.
    pub number: usize,
    pub step: Step,
    /// Number of the output.
    pub output: usize,
    pub difference: Difference,
    pub allowed: f64,
    /// Values of the reference and of the device where they differ most.
    pub expected: f32,
    pub found: f32,
}

impl StepCheck {
    /// Returns row and column of the largest difference.
    pub fn at(&self) -> [usize; 2] {
        let cols = self.step.outputs()[self.output].cols;
        [self.difference.at / cols, self.difference.at % cols]
    }

    /// Returns the name of the step, and of the output where it has several.
    pub fn name(&self) -> String {
        match self.step.outputs {
            [_] => self.step.name.clone(),
            names => format!("{}.{}", self.step.name, names[self.output]),
        }
    }
}

/// Runs `plan` step by step on `reference` and on `device`, which hold the same tensors under the
/// same numbers, and compares every output. After each step the reference goes on from the device's
/// output, so that a step is judged by its own error alone, at the device's tolerance for its kernel.
/// Integer outputs must be equal.
///
/// Returns the first step that differs by more than it may; `progress` is told of every output and may stop the check.
pub fn check(
    plan: &Plan,
    reference: &mut dyn Backend,
    device: &mut dyn Backend,
    progress: &mut dyn FnMut(&StepCheck) -> Result<()>,
) -> Result<Option<StepCheck>> {
    let expected_program = reference.prepare(plan, true)?;
    let device_program = device.prepare(plan, true)?;
    let mut differing = None;
    let outputs = plan.steps.iter().enumerate().flat_map(|(number, step)| {
        step.outputs().iter().enumerate().map(move |(output, &tensor)| (number, step, output, tensor))
    });
    for (number, step, output, tensor) in outputs {
        if output == 0 {
            reference.run_steps(expected_program, number..number + 1)?;
            device.run_steps(device_program, number..number + 1)?;
        }
        let expected_words = reference.read(Some(expected_program), tensor)?;
        let found_words = device.read(Some(device_program), tensor)?;
        let allowed = tensor.element.tolerance(device.tolerance(step.kernel));
        let (e, f) = (tensor.element.numbers(&expected_words), tensor.element.numbers(&found_words));
        let difference = compare(&e, &f);
        let at = difference.at;
        let (step, expected) = (step.clone(), e[at]);
        let check = StepCheck { number, step, output, difference, allowed, expected, found: f[at] };
        progress(&check)?;
        // Written so that NaN differs too.
        let close = difference.nmse <= allowed;
        if !close {
            differing = Some(check);
            break;
        }
        reference.write(Some(expected_program), tensor, 0, &found_words)?;
    }
    reference.release(expected_program);
    device.release(device_program);
    Ok(differing)
}
