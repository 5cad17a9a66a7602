//! Unquantized weights: bf16 as stored, widened by a shift.

use super::Format;
use crate::kernels::{Into, Part};
use crate::plan::{Element, Plan, Tensor};

pub static FORMAT: Format = Format { name: "bf16", element: Element::Bf16, product };

fn product(plan: &mut Plan, name: &str, x: Tensor, parts: &[Part], bias: Option<Tensor>, into: Into) -> Tensor {
    if x.rows == 1 {
        plan.matvec_bf16(name, x, parts, bias, into)
    } else {
        plan.matmul_bf16(name, x, parts, bias, into)
    }
}
