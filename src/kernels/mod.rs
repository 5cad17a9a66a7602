//! The kernels of the model, one file each: parameters, builder, reference, cases. Kernels of a format lie in its folder;
//! `formats::kernels()` lists all, and tests, benches, `qwgpu check` and the tables in docs come from that list.

mod advance;
mod argmax;
mod attention_decode;
mod attention_prefill;
mod attention_rope;
mod cache;
mod copy;
mod draw;
pub(crate) mod embed;
pub(crate) mod factor_block;
mod factor_correct;
mod factor_error;
mod factor_panel;
pub(crate) mod factor_residual;
mod factor_update;
mod feed_block;
mod fma;
mod gather;
#[doc(hidden)]
pub mod hessian;
mod kv_write;
#[doc(hidden)]
pub mod linear;
mod linear_host;
pub(crate) mod product;
mod random_bf16;
mod reach;
mod rms_norm;
mod rope;
mod rope_kv;
mod silu_mul;
mod token_nll;
mod top_k;

pub use argmax::NOT_FINITE;
pub use attention_decode::Attention;
pub use attention_rope::{AttentionRope, extra_words, takes_heads};
pub use draw::{DRAW_WORDS, Draw, is_set};
pub use linear::{LinearArgs, Output, RowBlock, WeightLayout};
pub use reach::Reach;
pub use rope::{RopeScaling, rope_table};
pub use rope_kv::RopeKv;
pub use top_k::MOST_CANDIDATES;

use crate::plan::Kernel;

/// Every kernel that no format owns.
pub static KERNELS: &[&Kernel] = &[
    &rms_norm::KERNEL,
    &rope_kv::KERNEL,
    &kv_write::KERNEL,
    &attention_decode::KERNEL,
    &attention_rope::KERNEL,
    &attention_prefill::KERNEL,
    &silu_mul::KERNEL,
    &gather::KERNEL,
    &hessian::KERNEL,
    &factor_block::KERNEL,
    &factor_panel::KERNEL,
    &factor_update::KERNEL,
    &factor_residual::KERNEL,
    &factor_error::KERNEL,
    &factor_correct::KERNEL,
    &feed_block::KERNEL,
    &token_nll::KERNEL,
    &argmax::KERNEL,
    &top_k::KERNEL,
    &draw::KERNEL,
    &advance::KERNEL,
    &random_bf16::KERNEL,
    &copy::KERNEL,
    &fma::KERNEL,
];
