//! A plan is a computation as plain data: steps over tensors, built here, run elsewhere.
//!
//! The same plan runs on a GPU ([`crate::gpu`]) and on the CPU by each kernel's reference
//! ([`cpu::Cpu`]); that is what makes every step checkable.

#[doc(hidden)]
pub mod backend;
#[doc(hidden)]
pub mod check;
#[doc(hidden)]
pub mod compare;
#[doc(hidden)]
pub mod cpu;
#[doc(hidden)]
pub mod dispatch;
#[doc(hidden)]
pub mod kernel;
#[doc(hidden)]
pub mod schedule;
#[doc(hidden)]
pub mod trial;

pub use backend::{Backend, Fetch, ProgramId};
pub use kernel::{Case, Consts, Host, Io, Kernel, Needs, Path, Variant};
pub use trial::Trial;

use bytemuck::Pod;
use half::slice::HalfFloatSliceExt;

/// The type of a tensor's elements. Tensors are stored in whole 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 32-bit unsigned integer.
    U32,
    /// Two to a word, the element of lower index in the low half.
    Bf16,
    /// The same of IEEE's 16-bit float.
    F16,
}

impl Element {
    /// Returns the bits of one element.
    pub const fn bits(self) -> usize {
        match self {
            Element::F32 | Element::U32 => 32,
            Element::Bf16 | Element::F16 => 16,
        }
    }

    /// Returns the elements in `words` as numbers to compare; those of bf16 two at a time, as whole numbers.
    pub fn numbers(self, words: &[u32]) -> Vec<f32> {
        match self {
            Element::F32 => bytemuck::cast_slice(words).to_vec(),
            Element::F16 => bytemuck::cast_slice::<u32, half::f16>(words).to_f32_vec(),
            Element::U32 | Element::Bf16 => words.iter().map(|&word| word as f32).collect(),
        }
    }

    /// Returns the tolerance of an output of this type, where f32 has `nmse`. In f16 a value near the middle of two may
    /// become either, one unit of 2⁻¹⁰ apart; rounding all of them another way gives 2.4e-7.
    pub fn tolerance(self, nmse: f64) -> f64 {
        if self == Element::F16 { nmse.max(1e-7) } else { nmse }
    }
}

/// The memory that holds a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Owned by the backend until it is dropped: weights, KV cache, tokens. The number is the
    /// backend's own, given out in order of creation.
    Resident(u32),
    /// Lives within one run of one plan; the number counts the plan's scratch tensors.
    Scratch(u32),
}

/// A two-dimensional, row-major tensor: a handle, not the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Place of the bytes.
    pub place: Place,
    /// Number of rows.
    pub rows: usize,
    /// Elements of a row.
    pub cols: usize,
    /// Type of the elements.
    pub element: Element,
}

impl Tensor {
    /// Returns the 32-bit words of the tensor.
    pub fn words(self) -> usize {
        (self.rows * self.cols * self.element.bits()).div_ceil(32)
    }

    /// Returns the bytes of the tensor, in whole words.
    pub fn bytes(self) -> u64 {
        self.words() as u64 * 4
    }

    /// Returns a view of the first `cols` values of a tensor of one row.
    pub fn first_cols(self, cols: usize) -> Tensor {
        assert!(self.rows == 1 && cols <= self.cols, "{cols} columns of {self:?}");
        Tensor { cols, ..self }
    }

    /// Returns a view of the first `rows` rows.
    pub fn first_rows(self, rows: usize) -> Tensor {
        assert!(rows <= self.rows, "{rows} rows of {self:?}");
        Tensor { rows, ..self }
    }

    /// Returns the same elements as `rows` rows of `cols` columns: a view, which shares this tensor's memory.
    ///
    /// # Panics
    /// If the number of elements differs.
    pub fn reshaped(self, rows: usize, cols: usize) -> Tensor {
        assert!(rows * cols == self.rows * self.cols, "[{rows}, {cols}] of {self:?}");
        Tensor { rows, cols, ..self }
    }

    /// Panics unless the shape and the element are as a kernel needs them: a wrong shape here is
    /// our own bug, since files are checked when they are loaded.
    pub fn expect(self, what: &str, rows: usize, cols: usize, element: Element) {
        assert!(
            (self.rows, self.cols, self.element) == (rows, cols, element),
            "{what}: expected [{rows}, {cols}] {element:?}, found {self:?}"
        );
    }
}

/// One dispatch: a kernel, its parameters and what it binds.
#[derive(Clone, Debug)]
pub struct Step {
    /// Place in the model: `layers.3.mlp.down_proj`.
    pub name: String,
    /// The kernel that runs.
    pub kernel: &'static Kernel,
    /// The kernel's `Params`, as in its shader, padded to 16 bytes.
    pub params: Vec<u8>,
    /// Overrides this step sets beyond its variant's own: what the shader is specialized for, such as
    /// the width of a code. Variants without such a constant do without.
    pub consts: Vec<(&'static str, u32)>,
    /// Inputs in binding order, then the outputs, which may also be read.
    pub bind: Vec<Tensor>,
    /// Names of the outputs, for messages; most steps have one.
    pub outputs: &'static [&'static str],
    /// The step's work as a grid of [rows, columns], usually of the output's values: a variant's workgroups compute
    /// a tile of it each, see [`dispatch::workgroups`].
    pub cells: [usize; 2],
    /// Words that each split leaves for the merge, where a variant has one: see [`dispatch::dispatches`].
    pub part_words: usize,
    /// Multiplications and additions, for measured shares of the adapter's rate.
    pub flops: u64,
    /// Bytes this step must read and write once, for shares of the adapter's bandwidth.
    pub bytes: u64,
}

impl Step {
    /// Returns the tensors that the step reads only.
    pub fn inputs(&self) -> &[Tensor] {
        &self.bind[..self.bind.len() - self.outputs.len()]
    }

    /// Returns the tensors that the step writes.
    pub fn outputs(&self) -> &[Tensor] {
        &self.bind[self.bind.len() - self.outputs.len()..]
    }

    /// Makes the last bound tensors outputs of these names.
    ///
    /// # Panics
    /// If a tensor is bound twice and one of the two is an output.
    pub fn set_outputs(&mut self, names: &'static [&'static str]) {
        self.outputs = names;
        for (at, output) in self.outputs().iter().enumerate() {
            let others = self.inputs().iter().chain(&self.outputs()[..at]);
            assert!(others.into_iter().all(|t| t.place != output.place), "{}: an output is bound twice", self.name);
        }
    }

    /// Returns the number of weights of a product. None: the step is no product.
    pub fn weights(&self) -> Option<u64> {
        let product = self.kernel.is_matvec() || self.kernel.name.starts_with("matmul");
        product.then(|| self.flops / 2 / self.cells[0] as u64)
    }
}

/// Steps in order, and the scratch tensors they pass on.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Steps in the order in which they run.
    pub steps: Vec<Step>,
    /// Shape of every scratch tensor, by number.
    pub scratch: Vec<Tensor>,
    scope: String,
    alone: bool,
}

impl Plan {
    /// Returns a plan without steps.
    pub fn new() -> Plan {
        Plan::default()
    }

    /// Returns a plan without steps whose rows are computed each as it would be alone, to the last bit: by the kernels for
    /// one row, which are for up to eight.
    pub fn alone() -> Plan {
        Plan { alone: true, ..Plan::default() }
    }

    /// Returns whether so many rows are computed together, by the kernels for many.
    pub fn together(&self, rows: usize) -> bool {
        rows > 1 && !self.alone
    }

    /// Calls `add`; the names of the steps it adds start with `scope`.
    pub fn within<T>(&mut self, scope: impl Into<String>, add: impl FnOnce(&mut Plan) -> T) -> T {
        let outer = std::mem::replace(&mut self.scope, scope.into());
        let added = add(self);
        self.scope = outer;
        added
    }

    /// Adds a scratch tensor [rows, cols], which a step is to write before another reads it.
    pub fn scratch(&mut self, rows: usize, cols: usize, element: Element) -> Tensor {
        let tensor = Tensor { place: Place::Scratch(self.scratch.len() as u32), rows, cols, element };
        self.scratch.push(tensor);
        tensor
    }

    /// Adds a step of `kernel` with its `params`. `bind` has the inputs in binding order, from binding 1 on, then the
    /// output; `cells` is the grid of [`Step::cells`]. [`Step::bytes`] is taken from the bound tensors and may be set
    /// on the returned step where a kernel touches only part of one; so may more outputs.
    ///
    /// # Panics
    /// If the output is also an input, or `params` are not the kernel's.
    pub fn add<P: Pod>(
        &mut self,
        kernel: &'static Kernel,
        name: &str,
        params: P,
        bind: &[Tensor],
        cells: [usize; 2],
        flops: u64,
    ) -> &mut Step {
        assert_eq!(
            size_of::<P>(),
            4 * kernel.params.len(),
            "{name}: parameters of another kernel than {}",
            kernel.name
        );
        let mut params = bytemuck::bytes_of(&params).to_vec();
        params.resize(params.len().next_multiple_of(16), 0);
        let dot = if self.scope.is_empty() || name.is_empty() { "" } else { "." };
        self.steps.push(Step {
            name: format!("{}{dot}{name}", self.scope),
            kernel,
            params,
            consts: Vec::new(),
            bind: bind.to_vec(),
            outputs: &[],
            cells,
            part_words: 0,
            flops,
            bytes: bind.iter().map(|t| t.bytes()).sum(),
        });
        let step = self.steps.last_mut().expect("just added");
        step.set_outputs(&["output"]);
        step
    }
}
