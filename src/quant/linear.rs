//! A weight matrix on the device: its format, its parts, its bias.

use std::ops::Range;

use super::{Format, Packed};
use crate::error::{Error, Result};
use crate::kernels::{Into, Packing, Part, Product};
use crate::plan::{Backend, Element, Plan, Tensor};

/// y = x · Wᵀ + bias.
#[derive(Clone, Debug)]
pub struct Linear {
    pub format: &'static Format,
    /// Name in the checkpoint, without `.weight`.
    pub name: String,
    pub rows: usize,
    pub cols: usize,
    pub packing: Packing,
    pub parts: Vec<Part>,
    pub bias: Option<Tensor>,
    /// [1, cols]: stored column k multiplies column order\[k\] of x.
    pub order: Option<Tensor>,
    /// Bytes that the method's own formula counts for a packed weight, and 0 for another.
    pub counted_bytes: u64,
}

/// The last order of columns that was put on a device: linears with the same input share theirs.
#[derive(Clone, Debug, Default)]
pub struct Orders(Option<(Vec<u32>, Tensor)>);

impl Orders {
    fn upload(&mut self, backend: &mut dyn Backend, name: &str, order: &[u32]) -> Result<Tensor> {
        if let Some((known, tensor)) = &self.0
            && known == order
        {
            return Ok(*tensor);
        }
        let tensor = backend.create(&format!("{name}.order"), 1, order.len(), Element::U32)?;
        backend.write(None, tensor, 0, order)?;
        self.0 = Some((order.to_vec(), tensor));
        Ok(tensor)
    }
}

/// The input of several products, prepared once for all that need it alike.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// [m, k]
    pub x: Tensor,
    /// The order asked for last, and x in it.
    ordered: Option<(Tensor, Tensor)>,
    /// The threshold asked for last, and x in eight bits by it.
    quantized: Option<(f32, Tensor)>,
}

/// Cuts rows of `row_bytes` each into parts that a device can bind, of equal size and whole tiles of
/// rows, so that statistics that rows share are not cut.
///
/// # Errors
/// [`Error::OutOfMemory`] if a binding does not hold one tile.
pub fn parts_of(backend: &dyn Backend, name: &str, rows: usize, row_bytes: u64) -> Result<Vec<Range<usize>>> {
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

impl Input {
    pub fn new(x: Tensor) -> Input {
        Input { x, ordered: None, quantized: None }
    }

    /// x with its columns in `order`.
    pub fn in_order(&mut self, plan: &mut Plan, name: &str, order: Option<Tensor>) -> Tensor {
        match (order, self.ordered) {
            (None, _) => self.x,
            (Some(order), Some((known, x))) if known == order => x,
            (Some(order), _) => {
                let x = plan.gather(&format!("{name}.gather"), self.x, order);
                self.ordered = Some((order, x));
                x
            }
        }
    }

    /// x in eight bits, as LLM.int8() multiplies it.
    pub fn quantized(&mut self, plan: &mut Plan, name: &str, threshold: f32) -> Tensor {
        match self.quantized {
            Some((known, x)) if known == threshold => x,
            _ => {
                let x = plan.int8_quantize(name, self.x, threshold);
                self.quantized = Some((threshold, x));
                x
            }
        }
    }
}

impl Linear {
    /// Makes the tensors of a packed weight.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when the device refuses.
    pub fn upload(backend: &mut dyn Backend, name: &str, weight: &Packed, orders: &mut Orders) -> Result<Linear> {
        let (rows, cols) = (weight.rows(), weight.cols());
        let order = weight.order().map(|order| orders.upload(backend, name, order)).transpose()?;
        let mut parts = Vec::new();
        for range in parts_of(backend, name, rows, weight.row_bytes())? {
            let mut tensors = Vec::new();
            for t in weight.on_device(range.clone()) {
                let tensor = backend.create(&format!("{name}.{}", t.name), t.rows, t.cols, t.element)?;
                backend.write(None, tensor, 0, &t.words)?;
                tensors.push(tensor);
            }
            parts.push(Part { row0: range.start, rows: range.len(), tensors });
        }
        let (name, packing) = (name.to_owned(), weight.packing());
        Ok(Linear {
            format: weight.format(),
            name,
            rows,
            cols,
            packing,
            parts,
            bias: None,
            order,
            counted_bytes: weight.true_bits().div_ceil(8),
        })
    }

    /// The product as a new tensor [m, n].
    pub fn apply(&self, plan: &mut Plan, name: &str, input: &mut Input) -> Tensor {
        (self.format.product)(plan, name, input, self, Into::New)
    }

    /// Adds the product to `y`.
    pub fn add_to(&self, plan: &mut Plan, name: &str, input: &mut Input, y: Tensor) {
        (self.format.product)(plan, name, input, self, Into::Add(y));
    }

    /// The product of x as the kernels take it.
    pub(super) fn product(&self, x: Tensor, into: Into) -> Product<'_> {
        Product { x, k: self.cols, parts: &self.parts, packing: self.packing, bias: self.bias, into }
    }

    /// Bytes of the packed weight and bias.
    pub fn bytes(&self) -> u64 {
        self.weight_bytes() + self.bias.iter().chain(&self.order).map(|t| t.bytes()).sum::<u64>()
    }

    /// Bytes of the packed weight alone.
    pub fn weight_bytes(&self) -> u64 {
        self.parts.iter().flat_map(|part| &part.tensors).map(|t| t.bytes()).sum()
    }
}
