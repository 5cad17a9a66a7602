//! Unquantized weights: bf16 as stored, widened by a shift.

mod embed;
mod matmul;
mod matvec;

use super::Format;
use super::linear::Linear;

pub static FORMAT: Format = Format {
    name: "bf16",
    kernels: &[&matvec::KERNEL, &matmul::KERNEL, &embed::KERNEL],
    product: [&matvec::KERNEL, &matmul::KERNEL],
    input: Linear::ordered_input,
    fused: None,
    norms: true,
    embed: Some(&embed::KERNEL),
    rows_depend: |_| false,
    folders: &[],
};
