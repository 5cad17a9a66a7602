//! Runs plans on the CPU by the kernels' references: the definition of every result.

use super::schedule::{self, Slots};
use super::{Backend, Element, Fetch, Io, Kernel, Place, Plan, ProgramId, Step, Tensor};
use crate::error::{Error, Result};

/// Form of a kernel by which the CPU computes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Plain loops only.
    Reference,
    /// A kernel's quicker CPU form where it has one.
    Host,
}

/// Executes steps whose tensors are in the host's memory.
pub trait Executor: 'static {
    /// Returns the largest normalized mean square error that a step of `kernel` may have.
    fn tolerance(&self, kernel: &'static Kernel) -> f64;

    /// Makes the steps of a plan ready.
    ///
    /// # Errors
    /// Those of compiling them.
    fn prepare(&mut self, steps: &[Step]) -> Result<()>;

    /// Executes a step over the words of its inputs and its outputs.
    ///
    /// # Errors
    /// Those of the execution.
    fn run(&mut self, step: &Step, inputs: Vec<&[u32]>, outputs: Vec<&mut [u32]>) -> Result<()>;
}

impl Executor for Mode {
    fn tolerance(&self, kernel: &'static Kernel) -> f64 {
        kernel.host.as_ref().map_or(0.0, |host| host.nmse)
    }

    fn prepare(&mut self, _: &[Step]) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, step: &Step, inputs: Vec<&[u32]>, outputs: Vec<&mut [u32]>) -> Result<()> {
        let io = &mut Io::new(&step.params, inputs, outputs);
        match &step.kernel.host {
            Some(host) if *self == Mode::Host => (host.run)(io),
            _ => (step.kernel.reference)(io),
        }
        Ok(())
    }
}

/// The host's memory as a backend, with an executor of steps: the references, or an emulator of shaders.
pub struct Cpu<E: Executor = Mode> {
    /// Executes the steps.
    pub executor: E,
    max_tensor_bytes: u64,
    fuses: bool,
    residents: Vec<Vec<u32>>,
    programs: Vec<Option<PreparedPlan>>,
    /// Scratch, shared by the programs as on a GPU.
    slots: Vec<Vec<u32>>,
    fetched: Vec<(u64, Vec<u32>)>,
    next_fetch: u64,
}

struct PreparedPlan {
    steps: Vec<Step>,
    slots: Slots,
    /// Its own memory, if it keeps every tensor.
    kept: Option<Vec<Vec<u32>>>,
}

impl<E: Executor> Cpu<E> {
    /// `max_tensor_bytes` splits tensors as a GPU with that limit would, so that both can run the
    /// same plan.
    pub fn new(executor: E, max_tensor_bytes: u64) -> Cpu<E> {
        Cpu {
            executor,
            max_tensor_bytes,
            fuses: false,
            residents: Vec::new(),
            programs: Vec::new(),
            slots: Vec::new(),
            fetched: Vec::new(),
            next_fetch: 0,
        }
    }

    /// Returns it for plans of a device that fuses steps, or that does not: see [`Backend::fuses`].
    pub fn fusing(self, fuses: bool) -> Cpu<E> {
        Cpu { fuses, ..self }
    }

    fn execute(&mut self, program: ProgramId, step: &Step, outputs: Vec<&mut [u32]>) -> Result<()> {
        let held = self.programs[program.0].as_ref();
        let inputs = step.inputs().iter().map(|&tensor| words(&self.residents, &self.slots, held, tensor)).collect();
        self.executor.run(step, inputs, outputs)
    }

    fn program(&self, program: ProgramId) -> &PreparedPlan {
        self.programs[program.0].as_ref().expect("a released program")
    }

    /// The words of a tensor.
    pub fn words(&self, program: Option<ProgramId>, tensor: Tensor) -> &[u32] {
        words(&self.residents, &self.slots, program.map(|p| self.program(p)), tensor)
    }

    fn words_mut(&mut self, program: Option<ProgramId>, tensor: Tensor) -> &mut Vec<u32> {
        match tensor.place {
            Place::Resident(r) => &mut self.residents[r as usize],
            Place::Scratch(s) => {
                let id = program.expect("scratch belongs to a program");
                let program = self.programs[id.0].as_mut().expect("a released program");
                let slot = program.slots.of[s as usize];
                match &mut program.kept {
                    Some(kept) => &mut kept[slot],
                    None => &mut self.slots[slot],
                }
            }
        }
    }
}

/// Returns the words of a tensor: a resident one, or scratch of a program.
fn words<'a>(
    residents: &'a [Vec<u32>],
    slots: &'a [Vec<u32>],
    program: Option<&'a PreparedPlan>,
    tensor: Tensor,
) -> &'a [u32] {
    let words = match tensor.place {
        Place::Resident(r) => &residents[r as usize],
        Place::Scratch(s) => {
            let program = program.expect("scratch belongs to a program");
            let slot = program.slots.of[s as usize];
            match &program.kept {
                Some(kept) => &kept[slot],
                None => &slots[slot],
            }
        }
    };
    &words[..tensor.words()]
}

impl<E: Executor> Backend for Cpu<E> {
    fn fuses(&self) -> bool {
        self.fuses
    }

    fn create(&mut self, name: &str, rows: usize, cols: usize, element: Element) -> Result<Tensor> {
        let tensor = Tensor { place: Place::Resident(self.residents.len() as u32), rows, cols, element };
        let mut words: Vec<u32> = Vec::new();
        words.try_reserve_exact(tensor.words()).map_err(|_| Error::OutOfMemory {
            what: name.to_owned(),
            bytes: tensor.bytes(),
            limit: "and the system has no more memory".into(),
            fix: "take a smaller model or a shorter `context`".into(),
        })?;
        words.resize(tensor.words(), 0);
        self.residents.push(words);
        Ok(tensor)
    }

    fn max_tensor_bytes(&self) -> u64 {
        self.max_tensor_bytes
    }

    fn tolerance(&self, kernel: &'static Kernel) -> f64 {
        self.executor.tolerance(kernel)
    }

    fn residents(&self) -> usize {
        self.residents.len()
    }

    fn keep_residents(&mut self, kept: usize) {
        self.residents.truncate(kept);
    }

    fn prepare(&mut self, plan: &Plan, keep: bool) -> Result<ProgramId> {
        self.executor.prepare(&plan.steps)?;
        let slots = schedule::assign(plan, keep);
        let words = |bytes: &u64| vec![0; (*bytes / 4) as usize];
        let kept = keep.then(|| slots.bytes.iter().map(words).collect());
        if !keep {
            for (slot, bytes) in slots.bytes.iter().enumerate() {
                if slot == self.slots.len() {
                    self.slots.push(Vec::new());
                }
                let words = (*bytes / 4) as usize;
                if self.slots[slot].len() < words {
                    self.slots[slot].resize(words, 0);
                }
            }
        }
        let program = Some(PreparedPlan { steps: plan.steps.clone(), slots, kept });
        let id = self.programs.iter().position(Option::is_none).unwrap_or(self.programs.len());
        if id == self.programs.len() {
            self.programs.push(program);
        } else {
            self.programs[id] = program;
        }
        Ok(ProgramId(id))
    }

    fn release(&mut self, program: ProgramId) {
        self.programs[program.0] = None;
    }

    fn run_steps(&mut self, program: ProgramId, steps: std::ops::Range<usize>) -> Result<()> {
        let last = steps.end.min(self.program(program).steps.len());
        for number in steps.start..last {
            let step = self.program(program).steps[number].clone();
            let take = |output: &Tensor| std::mem::take(self.words_mut(Some(program), *output));
            let mut written: Vec<Vec<u32>> = step.outputs().iter().map(take).collect();
            let outputs = written.iter_mut().zip(step.outputs()).map(|(words, output)| &mut words[..output.words()]);
            let done = self.execute(program, &step, outputs.collect());
            for (words, output) in written.into_iter().zip(step.outputs()) {
                *self.words_mut(Some(program), *output) = words;
            }
            done?;
        }
        Ok(())
    }

    fn write(&mut self, program: Option<ProgramId>, tensor: Tensor, first_word: usize, words: &[u32]) -> Result<()> {
        self.words_mut(program, tensor)[first_word..first_word + words.len()].copy_from_slice(words);
        Ok(())
    }

    fn fetch(&mut self, program: Option<ProgramId>, tensor: Tensor, first_word: usize, words: usize) -> Result<Fetch> {
        let words = self.words(program, tensor)[first_word..first_word + words].to_vec();
        self.next_fetch += 1;
        self.fetched.push((self.next_fetch, words));
        Ok(Fetch(self.next_fetch))
    }

    fn finish(&mut self, fetch: Fetch) -> Result<Vec<u32>> {
        let at = self.fetched.iter().position(|(id, _)| *id == fetch.0);
        Ok(self.fetched.swap_remove(at.expect("a fetch is finished once")).1)
    }

    fn memory(&self) -> (u64, u64) {
        let bytes = |buffers: &[Vec<u32>]| buffers.iter().map(|b| b.len() as u64 * 4).sum();
        (bytes(&self.residents), bytes(&self.slots))
    }
}
