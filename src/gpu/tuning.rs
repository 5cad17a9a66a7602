//! Which variant and which constants an adapter class gets: the one table. What is not listed runs
//! the first variant the adapter can, with the variant's own defaults.
//!
//! Measured: docs/PERFORMANCE.md. A software driver's timings never choose for a GPU.

use super::adapter::Class;
use crate::plan::{Consts, Kernel, Needs, Variant};

/// One preference: `kernel` on `class` runs `variant` with these constants.
pub struct Tuning {
    pub class: Class,
    pub kernel: &'static str,
    pub variant: &'static str,
    pub consts: &'static [(&'static str, u32)],
}

/// Preferences, best first.
pub static TUNING: &[Tuning] = &[];

/// The variant that runs on an adapter of this class which has `has`, and its constants.
pub fn choose(kernel: &'static Kernel, class: Class, has: Needs, subgroup_max: u32) -> (&'static Variant, Consts) {
    let runs = |v: &Variant| has.contains(v.needs);
    for tuning in TUNING.iter().filter(|t| t.class == class && t.kernel == kernel.name) {
        let variant = kernel.variants.iter().find(|v| v.name == tuning.variant && runs(v));
        if let Some(variant) = variant {
            return (variant, consts(variant, class, subgroup_max));
        }
    }
    let variant = kernel.variants.iter().find(|v| runs(v)).expect("the last variant needs nothing");
    (variant, consts(variant, class, subgroup_max))
}

/// The constants of a variant on an adapter class.
pub fn consts(variant: &Variant, class: Class, subgroup_max: u32) -> Consts {
    let mut consts = Consts::new(variant.consts, subgroup_max);
    let stem = variant.wgsl[0].stem;
    for tuning in TUNING.iter().filter(|t| t.class == class && t.variant == variant.name && stem.starts_with(t.kernel))
    {
        for &(name, value) in tuning.consts {
            consts.set(name, value);
        }
    }
    consts
}

/// Tokens that prefill together: enough to reuse each weight well, few enough that a chunk's scratch
/// memory stays small and a software driver answers Ctrl-C.
pub fn prefill_chunk(class: Class) -> usize {
    match class {
        Class::Discrete => 512,
        Class::Integrated | Class::Other => 256,
        Class::Software => 128,
    }
}
