//! Linear layers on a device: y = x · Wᵀ + bias.

use std::ops::Range;
use std::sync::Arc;

use super::{Format, QuantizedWeight};
use crate::error::{Error, Result};
use crate::kernels::linear::can_gate;
use crate::kernels::{LinearArgs, Output, RowBlock, WeightLayout};
use crate::plan::{Backend, Element, Plan, Tensor};

/// Linear layer y = x · Wᵀ + bias with W \[rows, cols\].
#[derive(Clone, Debug)]
pub struct Linear {
    pub format: &'static Format,
    pub rows: usize,
    pub cols: usize,
    pub layout: WeightLayout,
    pub row_blocks: Vec<RowBlock>,
    pub bias: Option<Tensor>,
    /// True if products of one row do what would be a step before them.
    pub fuses: bool,
    /// Stored column k multiplies column order\[k\] of x.
    pub order: Option<ColumnOrder>,
    /// Bytes that the format's formula counts for a quantized weight; 0 for an unquantized one.
    pub counted_bytes: u64,
}

/// Order of the columns of a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnOrder {
    pub columns: Arc<[u32]>,
    /// \[1, cols\]
    pub tensor: Tensor,
}

/// Last order of columns uploaded: linears with the same input share theirs.
#[derive(Clone, Debug, Default)]
pub struct Orders(Option<ColumnOrder>);

impl Orders {
    fn upload(&mut self, backend: &mut dyn Backend, name: &str, columns: &[u32]) -> Result<ColumnOrder> {
        if let Some(known) = self.0.as_ref().filter(|known| *known.columns == *columns) {
            return Ok(known.clone());
        }
        let tensor = backend.create(&format!("{name}.order"), 1, columns.len(), Element::U32)?;
        backend.write(None, tensor, 0, columns)?;
        let order = ColumnOrder { columns: columns.into(), tensor };
        self.0 = Some(order.clone());
        Ok(order)
    }
}

/// Input of one or more linears, with the forms of it that formats derived: gathered columns, eight bits.
#[derive(Clone, Debug)]
pub struct Activation {
    /// \[m, k\]; \[2m, k\] where the norm is left to the products, as they say.
    pub x: Tensor,
    /// Epsilon of that norm.
    norm: Option<f32>,
    /// True if the columns are in the order of the linears that take them.
    ordered: bool,
    derived: Vec<(Derived, Tensor)>,
}

/// Form of an activation that several linears may share.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Derived {
    /// Columns in the order of this tensor.
    Ordered(Tensor),
    /// As a format computes it, by the format's name and a number.
    Of(&'static str, f32),
}

impl Activation {
    pub fn new(x: Tensor) -> Activation {
        Activation { x, norm: None, ordered: false, derived: Vec::new() }
    }

    /// Returns an input whose columns are in the order of its linears.
    pub fn ordered(x: Tensor) -> Activation {
        Activation { ordered: true, ..Activation::new(x) }
    }

    /// Returns such an input that its products are to norm.
    pub fn to_norm(x: Tensor, eps: f32) -> Activation {
        Activation { norm: Some(eps), ..Activation::ordered(x) }
    }

    /// Returns whether the products are to norm it.
    pub fn is_to_norm(&self) -> bool {
        self.norm.is_some()
    }

    /// Returns the number of rows of the products.
    pub fn rows(&self) -> usize {
        if self.norm.is_some() { self.x.rows / 2 } else { self.x.rows }
    }

    fn derive(&mut self, what: Derived, make: impl FnOnce(Tensor) -> Tensor) -> Tensor {
        if let Some((_, tensor)) = self.derived.iter().find(|(known, _)| *known == what) {
            return *tensor;
        }
        let tensor = make(self.x);
        self.derived.push((what, tensor));
        tensor
    }

    /// Returns x with its columns in `order`.
    pub fn in_order(&mut self, plan: &mut Plan, name: &str, order: Option<Tensor>) -> Tensor {
        match order.filter(|_| !self.ordered) {
            None => self.x,
            Some(order) => self.derive(Derived::Ordered(order), |x| plan.gather(&format!("{name}.gather"), x, order)),
        }
    }

    /// Returns what `make` computes of x, once for each `format` and `number`.
    pub fn once(&mut self, format: &'static str, number: f32, make: impl FnOnce(Tensor) -> Tensor) -> Tensor {
        self.derive(Derived::Of(format, number), make)
    }
}

/// Splits rows of `row_bytes` each into blocks that the device can bind: of equal size and whole tiles of 32
/// rows, so that statistics shared by rows stay together.
///
/// # Errors
/// [`Error::OutOfMemory`] if a binding does not hold one tile.
pub fn row_blocks(backend: &dyn Backend, name: &str, rows: usize, row_bytes: u64) -> Result<Vec<Range<usize>>> {
    const TILE: usize = 32;
    let most = (backend.max_tensor_bytes() / row_bytes) as usize / TILE * TILE;
    if most == 0 {
        return Err(Error::OutOfMemory {
            what: name.to_owned(),
            bytes: row_bytes * TILE as u64,
            limit: format!("and one binding holds {}", backend.max_tensor_bytes()),
            fix: "take another `device`".into(),
        });
    }
    let each = rows.div_ceil(rows.div_ceil(most)).next_multiple_of(TILE);
    Ok((0..rows).step_by(each).map(|row0| row0..rows.min(row0 + each)).collect())
}

impl Linear {
    /// Creates the tensors of a quantized weight.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when the device refuses.
    pub fn upload(
        backend: &mut dyn Backend,
        name: &str,
        weight: &dyn QuantizedWeight,
        orders: &mut Orders,
    ) -> Result<Linear> {
        let (rows, cols) = (weight.rows(), weight.cols());
        let order = weight.order().map(|order| orders.upload(backend, name, order)).transpose()?;
        let mut blocks = Vec::new();
        for range in row_blocks(backend, name, rows, weight.row_bytes())? {
            let mut tensors = Vec::new();
            for t in weight.device_tensors(range.clone()) {
                let tensor = backend.create(&format!("{name}.{}", t.name), t.rows, t.cols, t.element)?;
                backend.write(None, tensor, 0, &t.words)?;
                tensors.push(tensor);
            }
            blocks.push(RowBlock { row0: range.start, rows: range.len(), tensors });
        }
        Ok(Linear {
            format: weight.format(),
            rows,
            cols,
            layout: weight.layout(),
            row_blocks: blocks,
            bias: None,
            fuses: backend.fuses(),
            order,
            counted_bytes: weight.true_bits().div_ceil(8),
        })
    }

    /// Adds the product as a new tensor \[m, rows\].
    pub fn apply(&self, plan: &mut Plan, name: &str, input: &mut Activation) -> Tensor {
        self.product(plan, name, input, Output::New, 0, None)
    }

    /// Adds the product to `y`, with what is `next`.
    pub fn add_to(&self, plan: &mut Plan, name: &str, input: &mut Activation, y: Tensor, next: Option<Tensor>) {
        self.product(plan, name, input, Output::Add(y), 0, next);
    }

    /// Adds silu of the product's first half times the second: a new tensor \[m, rows / 2\], its columns as `next` says.
    pub fn gated(&self, plan: &mut Plan, name: &str, input: &mut Activation, next: Option<Tensor>) -> Tensor {
        self.product(plan, name, input, Output::Gated, 0, next)
    }

    /// Returns whether a gate's rows and the other half are together, as [`Linear::gated`] needs them.
    pub fn can_gate(&self) -> bool {
        can_gate(&self.row_blocks)
    }

    /// Adds the product as the columns of `y` from `first` on.
    pub fn put_in(&self, plan: &mut Plan, name: &str, input: &mut Activation, y: Tensor, first: usize) {
        self.product(plan, name, input, Output::Into(y), first, None);
    }

    fn product(
        &self,
        plan: &mut Plan,
        name: &str,
        input: &mut Activation,
        output: Output,
        first: usize,
        next: Option<Tensor>,
    ) -> Tensor {
        let Linear { format, cols: k, ref row_blocks, layout, bias, .. } = *self;
        let many = plan.together(input.rows());
        let fused = format.fused.filter(|_| self.fuses && !many);
        let x = match fused {
            Some(_) => self.ordered_input(plan, name, input),
            None => (format.input)(self, plan, name, input),
        };
        let args = LinearArgs { x, norm: input.norm, k, row_blocks, layout, bias, output, first, next };
        plan.linear(fused.unwrap_or(format.product[usize::from(many)]), name, args)
    }

    /// Returns the input with its columns in the order of the weight's.
    pub(super) fn ordered_input(&self, plan: &mut Plan, name: &str, input: &mut Activation) -> Tensor {
        input.in_order(plan, name, self.order.as_ref().map(|order| order.tensor))
    }

    /// Adds the lookup of `token` \[1, m\] in an embedding: \[m, cols\] in f32, or \[2m, cols\] with what is `next`.
    ///
    /// # Panics
    /// If the format holds no embeddings.
    pub fn embed(&self, plan: &mut Plan, token: Tensor, next: Option<Tensor>) -> Tensor {
        let kernel = self.format.embed.expect("loading checked that the format holds embeddings");
        plan.embed(kernel, token, self.cols, &self.row_blocks, self.layout, next)
    }

    /// Returns the bytes of weight, bias and order.
    pub fn bytes(&self) -> u64 {
        let order = self.order.as_ref().map(|order| order.tensor);
        self.weight_bytes() + self.bias.iter().chain(&order).map(|t| t.bytes()).sum::<u64>()
    }

    /// Returns the bytes of the weight alone.
    pub fn weight_bytes(&self) -> u64 {
        self.row_blocks.iter().flat_map(|block| &block.tensors).map(|t| t.bytes()).sum()
    }
}
