//! The variant and the constants that an adapter class gets: the one table. A kernel that is not listed runs
//! the first variant the adapter can, with the variant's own defaults. And what tuning times beside: [`super::tune`].
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
        self.class == class && is_named(kernel, self.kernel)
    }
}

fn is_named(kernel: &Kernel, name: &str) -> bool {
    name.strip_suffix('*').map_or(kernel.name == name, |beginning| kernel.name.starts_with(beginning))
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

/// Values of a constant that tuning times on a variant, beside its own.
pub struct Alternative {
    /// As in [`Tuning`]. Its steps run many times, on any numbers: of what a model keeps they may write the cache alone.
    pub kernel: &'static str,
    pub variant: &'static str,
    /// It replaces a step's own, too.
    pub constant: &'static str,
    pub values: &'static [u32],
}

/// Alternatives on adapters of all classes; `tests/kernels` runs them all.
pub static ALTERNATIVES: &[Alternative] = &[
    // Of SpQR and GGUF's blocks the lanes are 64, by lib/staged_x. Steps choose the rows of a workgroup by their number.
    Alternative { kernel: "matvec_bf16", variant: "subgroup", constant: "WG", values: &[64, 256] },
    Alternative { kernel: "matvec_grid", variant: "subgroup", constant: "WG", values: &[64, 256] },
    Alternative { kernel: "matvec_bf16", variant: "subgroup", constant: "TILE", values: &[2, 4] },
    Alternative { kernel: "matvec_grid", variant: "subgroup", constant: "TILE", values: &[2, 4] },
    Alternative { kernel: "matvec_gguf", variant: "subgroup", constant: "TILE", values: &[2, 4] },
    Alternative { kernel: "matvec_gguf", variant: "subgroup", constant: "RUNS", values: &[1, 2] },
    Alternative { kernel: "matvec_spqr", variant: "subgroup", constant: "TILE", values: &[2, 4] },
    Alternative { kernel: "matvec_spqr", variant: "subgroup", constant: "RUNS", values: &[1, 2] },
    Alternative { kernel: "matvec_*", variant: "dp4a", constant: "WG", values: &[64, 256] },
    Alternative { kernel: "matvec_*", variant: "portable", constant: "WG", values: &[32, 128] },
    Alternative { kernel: "argmax", variant: "portable", constant: "SPLITS", values: &[32, 256] },
    Alternative { kernel: "top_k", variant: "portable", constant: "SPLITS", values: &[16, 64] },
    Alternative { kernel: "rms_norm", variant: "portable", constant: "WG", values: &[64, 256] },
];

/// Kernels whose listed variant is not put under the clock: rows that the one computes are, to the last bit, those of the
/// other, as verified proposals must be.
pub static ALIKE: &[&str] = &["attention_decode", "attention_rope"];

/// One way to run a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub variant: &'static Variant,
    /// None: the variant's own, and the step's.
    pub constant: Option<(&'static str, u32)>,
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.variant.name)?;
        self.constant.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// The candidates of a kernel, in the order of the lists: of each variant first its own constants.
pub fn candidates(kernel: &'static Kernel, class: Class, has: Needs) -> Vec<Candidate> {
    let of = |variant| std::iter::once(Candidate { variant, constant: None }).chain(alternatives(kernel, variant));
    listed(kernel, class, has).into_iter().flat_map(of).collect()
}

/// The candidates of a variant beside its own constants.
pub fn alternatives(kernel: &Kernel, variant: &'static Variant) -> impl Iterator<Item = Candidate> {
    let of = ALTERNATIVES.iter().filter(|a| is_named(kernel, a.kernel) && a.variant == variant.name);
    of.flat_map(|a| a.values.iter().map(|value| (a.constant, *value)))
        .map(move |constant| Candidate { variant, constant: Some(constant) })
}

/// The variants for an adapter of this class which has `has`, best first. The last needs nothing.
fn listed(kernel: &'static Kernel, class: Class, has: Needs) -> Vec<&'static Variant> {
    let runs = |v: &&Variant| has.contains(v.needs);
    let tunings = TUNING.iter().filter(|t| t.concerns(class, kernel));
    let tuned = tunings.filter_map(|t| kernel.variants.iter().find(|v| v.name == t.variant && runs(v)));
    let mut listed: Vec<&'static Variant> = Vec::new();
    for variant in tuned.chain(kernel.variants.iter().filter(runs)) {
        if !listed.iter().any(|known| std::ptr::eq(*known, variant)) {
            listed.push(variant);
        }
        if variant.needs.is_empty() {
            return listed;
        }
    }
    panic!("{}: some variant needs nothing", kernel.name)
}

/// The variant that runs on an adapter of this class which has `has`, and its constants.
pub fn choose(kernel: &'static Kernel, class: Class, has: Needs, subgroup_max: u32) -> (&'static Variant, Consts) {
    let variant = listed(kernel, class, has)[0];
    (variant, consts(kernel, variant, class, subgroup_max))
}

/// The constants of a variant on an adapter class.
pub fn consts(kernel: &Kernel, variant: &Variant, class: Class, subgroup_max: u32) -> Consts {
    let mut consts = Consts::new(variant.consts).specialized(&[("LANES", subgroup_max)]);
    let tuned = |t: &&Tuning| t.concerns(class, kernel) && t.variant == variant.name;
    for &(name, value) in TUNING.iter().filter(tuned).flat_map(|t| t.consts) {
        consts.set(name, value);
    }
    consts
}

/// Number of tokens that prefill together.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Enough to reuse each weight well, few enough that a chunk's scratch memory stays small and a software driver
    /// answers Ctrl-C.
    pub most: usize,
    /// Operations that one dispatch may take: half a second's, where a driver's watchdog ends those of two.
    pub flops: u64,
}

impl Chunk {
    /// Returns that of a device without a watchdog.
    pub const fn any(most: usize) -> Chunk {
        Chunk { most, flops: u64::MAX }
    }

    /// Returns that of an adapter of this class which has `has`.
    pub fn of(class: Class, has: Needs) -> Chunk {
        match class {
            Class::Discrete => Chunk::any(512),
            Class::Software => Chunk::any(128),
            // 130 GFLOP/s, or 32: without subgroups it is a phone's, a small board's, or behind OpenGL.
            _ if has.contains(Needs::SUBGROUP) => Chunk { most: 256, flops: 64_000_000_000 },
            _ => Chunk { most: 256, flops: 16_000_000_000 },
        }
    }

    /// Returns the rows of a pass whose costliest dispatch takes `row_flops` operations for each: all, or a power of two,
    /// of which a tile of attention has 32.
    pub fn rows(self, row_flops: u64) -> usize {
        let within = self.flops / row_flops.max(1);
        if within < self.most as u64 { self.most.min(1 << within.max(32).ilog2()) } else { self.most }
    }
}
