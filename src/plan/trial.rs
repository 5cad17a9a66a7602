//! One case of a kernel on a backend against the reference: what the test sweep and `qwgpu doctor`
//! have in common.

use super::compare::compare;
use super::cpu::{Cpu, Mode};
use super::{Backend, Case, Element, Kernel, Place, Tensor, Trial};
use crate::error::Result;

const NAN: u32 = 0x7fc0_0000;

/// Runs `case` by the reference and on `backend`, which may differ by its own tolerance for `kernel`.
/// Scratch starts as NaN, so that an element nobody wrote shows; a reference of zeros alone fails,
/// since it tests nothing. Gives what is wrong, if anything is.
pub fn run_case(kernel: &'static Kernel, case: &Case, backend: &mut dyn Backend) -> Result<Option<String>> {
    let (trial, output) = Trial::new(case);
    let expected = run(&trial, output, &mut Cpu::new(Mode::Reference, u64::MAX))?;
    if expected.iter().all(|&word| word == 0) {
        return Ok(Some("the reference gives zeros only: the case tests nothing".into()));
    }
    let found = run(&trial, output, backend)?;
    Ok(match output.element {
        Element::F32 => {
            let allowed = backend.tolerance(kernel);
            let d = compare(bytemuck::cast_slice(&expected), bytemuck::cast_slice(&found));
            let (e, f) = (f32::from_bits(expected[d.at]), f32::from_bits(found[d.at]));
            // Written so that NaN fails too.
            let close = d.nmse <= allowed;
            (!close).then(|| {
                format!(
                    "nmse {:.2e} above {allowed:.0e}; largest difference at {}: expected {e}, found {f}",
                    d.nmse, d.at
                )
            })
        }
        Element::U32 | Element::Bf16 => {
            let at = expected.iter().zip(&found).position(|(e, f)| e != f);
            at.map(|at| format!("word {at}: expected {:#x}, found {:#x}", expected[at], found[at]))
        }
    })
}

/// The output of a trial's plan.
fn run(trial: &Trial, output: Tensor, backend: &mut dyn Backend) -> Result<Vec<u32>> {
    let mut residents = Vec::new();
    for (tensor, words) in &trial.residents {
        let created = backend.create("case", tensor.rows, tensor.cols, tensor.element)?;
        backend.write(None, created, 0, words)?;
        residents.push(created.place);
    }
    // The trial counts its tensors from zero, the backend from what it holds already.
    let mut plan = trial.plan.clone();
    let place = |tensor: &mut Tensor| {
        if let Place::Resident(r) = tensor.place {
            tensor.place = residents[r as usize];
        }
    };
    for step in &mut plan.steps {
        step.bind.iter_mut().for_each(place);
    }
    let mut output = output;
    place(&mut output);
    let program = backend.prepare(&plan, true)?;
    for (number, tensor) in plan.scratch.iter().enumerate() {
        let tensor = Tensor { place: Place::Scratch(number as u32), ..*tensor };
        backend.write(Some(program), tensor, 0, &vec![NAN; tensor.words()])?;
    }
    backend.run(program)?;
    let words = backend.read(Some(program), output)?;
    backend.release(program);
    Ok(words)
}
