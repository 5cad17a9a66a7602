//! Unquantized weights: bf16 as stored, widened by a shift.

mod embed;
mod matmul;
mod matvec;

use super::Format;
use super::linear::{Activation, Linear};
use crate::kernels::Output;
use crate::plan::{Plan, Tensor};

pub static FORMAT: Format = Format {
    name: "bf16",
    kernels: &[&matvec::KERNEL, &matmul::KERNEL, &embed::KERNEL],
    product,
    embed: Some(&embed::KERNEL),
    rows_depend: |_| false,
    folders: &[],
};

fn product(plan: &mut Plan, name: &str, input: &mut Activation, linear: &Linear, output: Output) -> Tensor {
    let kernel = if input.x.rows == 1 { &matvec::KERNEL } else { &matmul::KERNEL };
    plan.linear(kernel, name, linear.args(input.x, output))
}
