//! A weight matrix on the device: its format, its parts, its bias.

use crate::kernels::{Into, Part};
use crate::plan::{Plan, Tensor};
use crate::quant::Format;

/// y = x · Wᵀ + bias.
pub struct Linear {
    pub format: &'static Format,
    pub parts: Vec<Part>,
    pub bias: Option<Tensor>,
    /// Name in the checkpoint, without `.weight`.
    pub name: String,
}

impl Linear {
    /// The product as a new tensor [m, n].
    pub fn apply(&self, plan: &mut Plan, name: &str, x: Tensor) -> Tensor {
        (self.format.product)(plan, name, x, &self.parts, self.bias, Into::New)
    }

    /// Adds the product to `y`.
    pub fn add_to(&self, plan: &mut Plan, name: &str, x: Tensor, y: Tensor) {
        (self.format.product)(plan, name, x, &self.parts, self.bias, Into::Add(y));
    }

    /// Bytes of the packed weight and bias.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|p| p.weight).chain(self.bias).map(Tensor::bytes).sum()
    }
}
