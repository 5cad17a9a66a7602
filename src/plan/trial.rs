//! Trials at work: their tensors on a backend, and the comparison with the reference that the tests,
//! `qwgpu doctor` and `qwgpu bench all` share.

use super::compare::compare;
use super::cpu::{Cpu, Mode};
use super::{Backend, Case, Element, Kernel, Place, Plan, Tensor, Trial};
use crate::error::Result;

const NAN: u32 = 0x7fc0_0000;

/// Result of a comparison with the reference.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Normalized mean square error; of whole numbers 0 or infinity.
    pub nmse: f64,
    /// The fault, if there is one.
    pub fault: Option<String>,
    /// The words of the outputs where there is no fault: other runs of the case may have to give the same.
    pub found: Vec<u32>,
}

/// Creates a trial's tensors on `backend`: its plan over them.
///
/// With more than one of `copies` the steps follow each other so often, each time over another copy
/// of the tensors they only read, so that no cache keeps those.
pub fn place(trial: &Trial, copies: usize, backend: &mut dyn Backend) -> Result<Plan> {
    let mut plan = trial.plan.clone();
    let steps = std::mem::take(&mut plan.steps);
    let written = |number: usize| {
        let place = Place::Resident(number as u32);
        steps.iter().any(|step| step.outputs().iter().any(|output| output.place == place))
    };
    let mut places: Vec<Place> = Vec::new();
    for copy in 0..copies {
        for (number, (tensor, words)) in trial.residents.iter().enumerate() {
            if copy > 0 && written(number) {
                continue;
            }
            let created = backend.create("case", tensor.rows, tensor.cols, tensor.element)?;
            backend.write(None, created, 0, words)?;
            match places.get_mut(number) {
                Some(place) => *place = created.place,
                None => places.push(created.place),
            }
        }
        for step in &steps {
            let mut step = step.clone();
            step.bind.iter_mut().for_each(|tensor| tensor.place = moved(tensor.place, &places));
            plan.steps.push(step);
        }
    }
    Ok(plan)
}

/// The trial counts its tensors from zero, the backend from what it holds already.
fn moved(place: Place, places: &[Place]) -> Place {
    match place {
        Place::Resident(number) => places[number as usize],
        Place::Scratch(_) => place,
    }
}

/// A case with the output of its kernel's reference, to hold any number of backends to.
pub struct Expected {
    trial: Trial,
    /// What the last step writes.
    outputs: Vec<Tensor>,
    words: Vec<Vec<u32>>,
}

impl Expected {
    /// Builds a case and runs its reference.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn of(case: &Case) -> Result<Expected> {
        let (trial, _) = Trial::new(case);
        let outputs = outputs(&trial.plan).to_vec();
        let words = run(&trial, &mut Cpu::new(Mode::Reference, u64::MAX))?;
        Ok(Expected { trial, outputs, words })
    }

    /// Runs the case on `backend`, which may differ by its own tolerance for `kernel`.
    ///
    /// Outputs start as NaN, so an element that nobody wrote shows; a reference of zeros alone is at fault, since it
    /// tests nothing; whole numbers must be equal.
    ///
    /// # Errors
    /// The backend's own. A wrong result is none, but a [`Checked::fault`].
    pub fn check(&self, kernel: &'static Kernel, backend: &mut dyn Backend) -> Result<Checked> {
        let found = run(&self.trial, backend)?;
        let mut worst = Checked { nmse: 0.0, fault: None, found: found.concat() };
        for ((output, expected), found) in self.outputs.iter().zip(&self.words).zip(&found) {
            let checked = check_output(*output, expected, found, backend.tolerance(kernel));
            if checked.fault.is_some() {
                return Ok(checked);
            }
            worst.nmse = worst.nmse.max(checked.nmse);
        }
        Ok(worst)
    }
}

/// Returns what the last step writes.
fn outputs(plan: &Plan) -> &[Tensor] {
    plan.steps.last().expect("a case adds a step").outputs()
}

/// Compares one output with the reference's.
fn check_output(output: Tensor, expected: &[u32], found: &[u32], allowed: f64) -> Checked {
    let fault = |message: String| Checked { nmse: f64::INFINITY, fault: Some(message), found: Vec::new() };
    if expected.iter().all(|&word| word == 0) {
        return fault("the reference gives zeros only: the case tests nothing".into());
    }
    if output.element != Element::F32 {
        return match expected.iter().zip(found).position(|(e, f)| e != f) {
            Some(at) => fault(format!("word {at}: expected {:#x}, found {:#x}", expected[at], found[at])),
            None => Checked { nmse: 0.0, fault: None, found: Vec::new() },
        };
    }
    let d = compare(bytemuck::cast_slice(expected), bytemuck::cast_slice(found));
    // Written so that NaN is at fault too.
    let close = d.nmse <= allowed;
    let (e, f) = (f32::from_bits(expected[d.at]), f32::from_bits(found[d.at]));
    let most = format!("largest difference at {}: expected {e}, found {f}", d.at);
    let fault = (!close).then(|| format!("nmse {:.2e} above {allowed:.0e}; {most}", d.nmse));
    Checked { nmse: d.nmse, fault, found: Vec::new() }
}

/// Runs a case by its kernel's reference and on `backend`; see [`Expected::check`].
///
/// # Errors
/// The backends' own.
pub fn check(kernel: &'static Kernel, case: &Case, backend: &mut dyn Backend) -> Result<Checked> {
    Expected::of(case)?.check(kernel, backend)
}

/// Returns the outputs of a trial's plan, run on `backend` with NaN in its scratch tensors, and gives its tensors back.
fn run(trial: &Trial, backend: &mut dyn Backend) -> Result<Vec<Vec<u32>>> {
    let kept = backend.residents();
    let plan = place(trial, 1, backend)?;
    let program = backend.prepare(&plan, true)?;
    for (number, tensor) in plan.scratch.iter().enumerate() {
        let tensor = Tensor { place: Place::Scratch(number as u32), ..*tensor };
        backend.write(Some(program), tensor, 0, &vec![NAN; tensor.words()])?;
    }
    backend.run(program)?;
    let words = outputs(&plan).iter().map(|output| backend.read(Some(program), *output)).collect();
    backend.release(program);
    backend.keep_residents(kept);
    words
}
