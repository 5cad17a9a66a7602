//! The variant and the constants that an adapter class gets: the one table. A kernel that is not listed runs
//! the first variant the adapter can, with the variant's own defaults.
//!
//! Measured: docs/PERFORMANCE.md. A software driver's timings never choose for a GPU.

use super::adapter::Class;
use crate::plan::{Consts, Kernel, Needs, Variant};

/// One preference: `kernel` on `class` runs `variant` with these constants.
pub struct Tuning {
    pub class: Class,
    /// Name of a kernel, or the beginning of names before a `*`.
    pub kernel: &'static str,
    pub variant: &'static str,
    pub consts: &'static [(&'static str, u32)],
}

impl Tuning {
    fn concerns(&self, class: Class, kernel: &Kernel) -> bool {
        let named = match self.kernel.strip_suffix('*') {
            Some(beginning) => kernel.name.starts_with(beginning),
            None => kernel.name == self.kernel,
        };
        self.class == class && named
    }
}

/// Preferences, best first.
pub static TUNING: &[Tuning] = &[
    // A software driver pays per load and lane, whatever its width, and for every barrier: few wide
    // loads, sums in registers, eight lanes as one vector of the CPU.
    Tuning { class: Class::Software, kernel: "matvec_*", variant: "int64_subgroup", consts: &[] },
    Tuning { class: Class::Software, kernel: "matvec_*", variant: "rows_subgroup", consts: &[] },
    Tuning { class: Class::Software, kernel: "matvec_*", variant: "rows", consts: &[("ROWS", 16)] },
    Tuning { class: Class::Software, kernel: "matmul_*", variant: "rows_subgroup", consts: &[] },
    Tuning { class: Class::Software, kernel: "matmul_*", variant: "rows", consts: &[] },
    Tuning { class: Class::Software, kernel: "attention_decode", variant: "rows_subgroup", consts: &[] },
    Tuning { class: Class::Software, kernel: "attention_decode", variant: "whole", consts: &[] },
    Tuning { class: Class::Software, kernel: "argmax", variant: "portable", consts: &[("SPLITS", 4)] },
    Tuning { class: Class::Software, kernel: "top_k", variant: "portable", consts: &[("SPLITS", 4)] },
    Tuning { class: Class::Software, kernel: "int8_*", variant: "portable", consts: &[("WG", 8)] },
];

/// The variant that runs on an adapter of this class which has `has`, and its constants.
pub fn choose(kernel: &'static Kernel, class: Class, has: Needs, subgroup_max: u32) -> (&'static Variant, Consts) {
    let runs = |v: &&Variant| has.contains(v.needs);
    let tunings = TUNING.iter().filter(|t| t.concerns(class, kernel));
    let tuned = |t: &Tuning| kernel.variants.iter().find(|v| v.name == t.variant && runs(v));
    let chosen = tunings.filter_map(tuned).next().or_else(|| kernel.variants.iter().find(runs));
    let variant = chosen.expect("some variant needs nothing");
    (variant, consts(kernel, variant, class, subgroup_max))
}

/// The constants of a variant on an adapter class.
pub fn consts(kernel: &Kernel, variant: &Variant, class: Class, subgroup_max: u32) -> Consts {
    let mut consts = Consts::new(variant.consts);
    if variant.needs.contains(Needs::COOP_MATRIX) {
        consts.set("LANES", subgroup_max);
    }
    let tuned = |t: &&Tuning| t.concerns(class, kernel) && t.variant == variant.name;
    for &(name, value) in TUNING.iter().filter(tuned).flat_map(|t| t.consts) {
        consts.set(name, value);
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
