//! The kernels, one file each: parameters, builder, reference, cases. Tests, benches, `qwgpu check`
//! and the tables in docs are made from [`KERNELS`].

mod advance;
mod argmax;
mod attention_decode;
mod attention_prefill;
mod copy;
mod dequantize_grid;
mod dequantize_int8;
mod dequantize_spqr;
mod embed_bf16;
mod embed_gguf;
mod fma;
mod gather;
pub mod gguf_blocks;
pub mod hessian;
mod int8_outliers;
mod int8_quantize;
mod kv_write;
mod linear;
mod matmul_bf16;
mod matmul_gguf;
mod matmul_grid;
mod matmul_int8;
mod matmul_spqr;
mod matvec_bf16;
mod matvec_gguf;
mod matvec_grid;
mod matvec_int8;
mod matvec_spqr;
mod outliers_spqr;
mod random_bf16;
mod rms_norm;
mod rope;
mod rope_kv;
mod silu_mul;
mod token_nll;
pub mod weights_gguf;
pub mod weights_grid;
pub mod weights_int8;
pub mod weights_spqr;

pub use argmax::NOT_FINITE;
pub use attention_decode::{Attention, Reach};
pub use linear::{Into, Packing, Part, Product};
pub use rope::rope_table;

use crate::plan::Kernel;

/// Every kernel of the engine.
pub static KERNELS: &[&Kernel] = &[
    &embed_bf16::KERNEL,
    &rms_norm::KERNEL,
    &rope::KERNEL,
    &rope_kv::KERNEL,
    &kv_write::KERNEL,
    &attention_decode::KERNEL,
    &attention_prefill::KERNEL,
    &silu_mul::KERNEL,
    &matvec_bf16::KERNEL,
    &matmul_bf16::KERNEL,
    &gather::KERNEL,
    &hessian::KERNEL,
    &matvec_grid::KERNEL,
    &matmul_grid::KERNEL,
    &dequantize_grid::KERNEL,
    &matvec_gguf::KERNEL,
    &matmul_gguf::KERNEL,
    &embed_gguf::KERNEL,
    &matvec_spqr::KERNEL,
    &matmul_spqr::KERNEL,
    &dequantize_spqr::KERNEL,
    &outliers_spqr::KERNEL,
    &int8_outliers::KERNEL,
    &int8_quantize::KERNEL,
    &matvec_int8::KERNEL,
    &matmul_int8::KERNEL,
    &dequantize_int8::KERNEL,
    &token_nll::KERNEL,
    &argmax::KERNEL,
    &advance::KERNEL,
    &random_bf16::KERNEL,
    &copy::KERNEL,
    &fma::KERNEL,
];
