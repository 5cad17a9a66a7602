//! Trials of kernels: their tensors on a backend, and the comparison with the reference that the tests,
//! `qwgpu doctor` and `qwgpu bench all` share.

use super::compare::compare;
use super::cpu::{Cpu, Mode};
use super::kernel::{hash, uniform};
use super::{Backend, Case, Element, Kernel, Place, Plan, Tensor};
use crate::error::Result;

const NAN: u32 = 0x7fc0_0000;

/// A plan under test with the data of its resident tensors.
#[derive(Default)]
pub struct Trial {
    pub plan: Plan,
    pub(crate) residents: Vec<(Tensor, Vec<u32>)>,
    seed: u32,
}

impl Trial {
    /// Builds `case` with its own reproducible data.
    pub fn new(case: &Case) -> (Trial, Tensor) {
        let mut trial = Trial::default();
        let output = (case.build)(&mut trial);
        (trial, output)
    }

    fn resident(&mut self, rows: usize, cols: usize, element: Element, words: Vec<u32>) -> Tensor {
        let place = Place::Resident(self.residents.len() as u32);
        let tensor = Tensor { place, rows, cols, element };
        assert_eq!(words.len(), tensor.words());
        self.residents.push((tensor, words));
        tensor
    }

    /// The next values of this trial's own sequence over -1..1.
    fn uniform(&mut self) -> impl FnMut() -> f32 + use<> {
        self.seed += 1;
        let seed = hash(self.seed);
        let mut n = 0u32;
        move || {
            n += 1;
            uniform(n ^ seed)
        }
    }

    /// Adds a tensor of values spread evenly over -1..1.
    pub fn f32(&mut self, rows: usize, cols: usize) -> Tensor {
        self.f32_of(rows, cols, |_, value| value)
    }

    /// Adds a tensor of values made from such as [`Trial::f32`] has: `change(index, value)`.
    pub fn f32_of(&mut self, rows: usize, cols: usize, change: impl Fn(usize, f32) -> f32) -> Tensor {
        let mut next = self.uniform();
        let words = (0..rows * cols).map(|i| change(i, next()).to_bits()).collect();
        self.resident(rows, cols, Element::F32, words)
    }

    /// Adds a tensor of bf16 values spread evenly over -1..1.
    pub fn bf16(&mut self, rows: usize, cols: usize) -> Tensor {
        self.halves(rows, cols, Element::Bf16, |value| half::bf16::from_f32(value).to_bits())
    }

    /// Adds a tensor of f16 values spread evenly over -1..1.
    pub fn f16(&mut self, rows: usize, cols: usize) -> Tensor {
        self.halves(rows, cols, Element::F16, |value| half::f16::from_f32(value).to_bits())
    }

    fn halves(&mut self, rows: usize, cols: usize, element: Element, bits: fn(f32) -> u16) -> Tensor {
        let mut next = self.uniform();
        let mut half = move || u32::from(bits(next()));
        let words = (0..(rows * cols).div_ceil(2)).map(|_| half() | half() << 16).collect();
        self.resident(rows, cols, element, words)
    }

    /// Adds a tensor of one bit pattern throughout, for large inputs whose values do not matter.
    pub fn resident_of(&mut self, rows: usize, cols: usize, element: Element, word: u32) -> Tensor {
        let words = vec![word; (rows * cols * element.bits()).div_ceil(32)];
        self.resident(rows, cols, element, words)
    }

    /// Adds a tensor of random bits.
    pub fn bits(&mut self, rows: usize, cols: usize) -> Tensor {
        self.bits_of(rows, cols, |word| word)
    }

    /// Adds a tensor of words made from such as [`Trial::bits`] has.
    pub fn bits_of(&mut self, rows: usize, cols: usize, change: impl Fn(u32) -> u32) -> Tensor {
        self.seed += 1;
        let seed = hash(self.seed);
        let words = (0..(rows * cols) as u32).map(|n| change(hash(n ^ seed))).collect();
        self.resident(rows, cols, Element::U32, words)
    }

    /// Adds a tensor of words made from their index.
    pub fn words(&mut self, rows: usize, cols: usize, word: impl FnMut(usize) -> u32) -> Tensor {
        self.resident(rows, cols, Element::U32, (0..rows * cols).map(word).collect())
    }

    /// Adds a tensor of the first rows · cols of `values`.
    pub fn u32(&mut self, rows: usize, cols: usize, values: impl IntoIterator<Item = u32>) -> Tensor {
        let words = values.into_iter().take(rows * cols).collect();
        self.resident(rows, cols, Element::U32, words)
    }
}

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
    if matches!(output.element, Element::U32 | Element::Bf16) {
        return match expected.iter().zip(found).position(|(e, f)| e != f) {
            Some(at) => fault(format!("word {at}: expected {:#x}, found {:#x}", expected[at], found[at])),
            None => Checked { nmse: 0.0, fault: None, found: Vec::new() },
        };
    }
    let (expected, found) = (output.element.numbers(expected), output.element.numbers(found));
    let d = compare(&expected, &found);
    let allowed = output.element.tolerance(allowed);
    // Written so that NaN is at fault too.
    let close = d.nmse <= allowed;
    let (e, f) = (expected[d.at], found[d.at]);
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
