//! Unquantized weights: bf16 as stored, widened by a shift.

use super::{Format, Input, Linear};
use crate::kernels::Into;
use crate::plan::{Plan, Tensor};

pub static FORMAT: Format = Format { name: "bf16", product };

fn product(plan: &mut Plan, name: &str, input: &mut Input, linear: &Linear, into: Into) -> Tensor {
    let product = linear.product(input.x, into);
    if input.x.rows == 1 { plan.matvec_bf16(name, product) } else { plan.matmul_bf16(name, product) }
}
