//! Backends, which hold tensors and run plans: the GPU, or the CPU by the references.

use super::{Element, Kernel, Plan, Tensor};
use crate::error::Result;

/// A plan made ready to run on one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProgramId(pub usize);

/// A read-back under way; see [`Backend::finish`].
#[derive(Debug)]
pub struct Fetch(pub u64);

/// Memory and execution, the same for every device. All calls are in order: a read sees every
/// write and run before it.
pub trait Backend: std::any::Any {
    /// Creates a tensor that lives as long as the backend, filled with zeros.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] when the device refuses.
    fn create(&mut self, name: &str, rows: usize, cols: usize, element: Element) -> Result<Tensor>;

    /// Returns the size of the largest tensor one step can bind, in bytes; larger ones are split by rows.
    fn max_tensor_bytes(&self) -> u64;

    /// Returns the largest normalized mean square error that this backend's form of a kernel may have.
    fn tolerance(&self, kernel: &'static Kernel) -> f64;

    /// Returns the number of resident tensors.
    fn residents(&self) -> usize;

    /// Gives back all resident tensors but the first `kept`. Programs that bind others must be released
    /// before, and their tensors used no more.
    fn keep_residents(&mut self, kept: usize);

    /// Makes a plan ready: memory for its scratch tensors, pipelines, bindings. With `keep`
    /// every scratch tensor has its own memory, so that all of them can be read after a run.
    fn prepare(&mut self, plan: &Plan, keep: bool) -> Result<ProgramId>;

    /// Gives a program's own memory back; its number may be used again.
    fn release(&mut self, program: ProgramId);

    /// Runs all steps of a program, in order.
    fn run(&mut self, program: ProgramId) -> Result<()> {
        self.run_steps(program, 0..usize::MAX)
    }

    /// Runs some steps of a program, in order.
    fn run_steps(&mut self, program: ProgramId, steps: std::ops::Range<usize>) -> Result<()>;

    /// Writes words from `first_word` on. `program` says whose scratch is meant, if it is one.
    fn write(&mut self, program: Option<ProgramId>, tensor: Tensor, first_word: usize, words: &[u32]) -> Result<()>;

    /// Starts reading the first words of a tensor without waiting for them.
    fn fetch(&mut self, program: Option<ProgramId>, tensor: Tensor, first_word: usize, words: usize) -> Result<Fetch>;

    /// Waits for a read-back.
    fn finish(&mut self, fetch: Fetch) -> Result<Vec<u32>>;

    /// Reads all words of a tensor, and waits for them.
    fn read(&mut self, program: Option<ProgramId>, tensor: Tensor) -> Result<Vec<u32>> {
        let fetch = self.fetch(program, tensor, 0, tensor.words())?;
        self.finish(fetch)
    }

    /// Returns whether the host computes the steps, in its own memory: then reading a tensor costs no more than a step over
    /// it.
    fn is_host(&self) -> bool {
        true
    }

    /// Returns whether a dispatch costs so much that a step for one row had better do the work of several: a GPU waits between
    /// them. A CPU loses more by what each workgroup then does again.
    fn fuses(&self) -> bool {
        false
    }

    /// Returns the bytes of resident tensors and of scratch held now.
    fn memory(&self) -> (u64, u64);
}
