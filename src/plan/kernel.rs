//! A kernel: one name, one reference, several shaders that compute the same.

use std::collections::BTreeMap;

use bytemuck::Pod;

use super::{Tensor, Trial};

bitflags::bitflags! {
    /// Features that a variant asks of an adapter beyond WebGPU's defaults.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Needs: u32 {
        const SUBGROUP = 1;
        /// Subgroups of eight lanes or more.
        const SUBGROUP8 = 2;
        const F16 = 4;
        const INT64 = 8;
        /// 16x16x16 cooperative matrices, f16 operands, f32 accumulators.
        const COOP_MATRIX = 16;
        /// The same of 8x8x8.
        const COOP_MATRIX8 = 32;
    }
}

impl std::fmt::Display for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self.iter_names().map(|(name, _)| name.to_lowercase()).collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join("+"))
    }
}

/// Variants that may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// Only those that need nothing.
    Portable,
    /// All that the adapter can run.
    #[default]
    Fast,
}

/// The values of a variant's WGSL `override`s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Consts {
    values: BTreeMap<&'static str, u32>,
}

impl Consts {
    /// Returns a variant's defaults.
    pub fn new(defaults: &[(&'static str, u32)]) -> Consts {
        Consts { values: defaults.iter().copied().collect() }
    }

    /// Sets a constant.
    ///
    /// # Panics
    /// If the variant has no such constant.
    pub fn set(&mut self, name: &str, value: u32) {
        let slot = self.values.iter_mut().find(|(known, _)| **known == name);
        *slot.unwrap_or_else(|| panic!("no constant {name}")).1 = value;
    }

    /// Returns the constants with a step's own values where the variant has such a constant.
    pub fn specialized(mut self, step: &[(&'static str, u32)]) -> Consts {
        for &(name, value) in step {
            if let Some(slot) = self.values.get_mut(name) {
                *slot = value;
            }
        }
        self
    }

    /// Returns a constant's value.
    ///
    /// # Panics
    /// If the variant has no such constant.
    pub fn get(&self, name: &str) -> u32 {
        *self.values.get(name).unwrap_or_else(|| panic!("no constant {name}"))
    }

    /// Returns the number of parts into which a variant cuts the work of a cell; 0 where it has no constant `SPLITS`.
    pub fn splits(&self) -> u32 {
        self.values.get("SPLITS").copied().unwrap_or(0)
    }

    /// Returns names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.values.iter().map(|(&name, &value)| (name, value))
    }
}

/// One shader of a kernel. All variants of a kernel share one binding order: params, inputs, outputs; entry point
/// `main`, and where [`super::dispatch::dispatches`] says so, `merge`.
#[derive(Debug)]
pub struct Variant {
    pub name: &'static str,
    pub needs: Needs,
    /// Shader files, joined in order; the first names the variant's own main file.
    pub wgsl: &'static [Wgsl],
    /// Defaults of the shader's overrides; an adapter class may set others (`gpu::tuning`).
    pub consts: &'static [(&'static str, u32)],
    /// Rows and columns of a step's cells that one workgroup computes; see [`super::dispatch::workgroups`].
    pub tile: fn(&Consts) -> [u32; 2],
    /// Largest normalized mean square error against the reference. docs/NUMERICS.md says how to choose it, and has a
    /// row with the reason; `tests/kernels` holds that table to this value.
    pub nmse: f64,
}

impl Variant {
    /// The variant of this name that every adapter can run.
    pub const fn portable(
        wgsl: &'static [Wgsl],
        consts: &'static [(&'static str, u32)],
        tile: fn(&Consts) -> [u32; 2],
        nmse: f64,
    ) -> Variant {
        Variant { name: "portable", needs: Needs::empty(), wgsl, consts, tile, nmse }
    }

    /// Each text this variant can have, by the constant that chooses it, and a name for it (`/4` where
    /// that constant is 4, nothing where there is one text).
    pub fn texts(&self) -> Vec<(String, Consts)> {
        let consts = Consts::new(self.consts);
        let mut choices: Vec<(&'static str, u32)> = self.wgsl.iter().filter_map(|file| file.only).collect();
        choices.sort_unstable();
        choices.dedup();
        let text = |choice: &(&'static str, u32)| (format!("/{}", choice.1), consts.clone().specialized(&[*choice]));
        if choices.is_empty() { vec![(String::new(), consts)] } else { choices.iter().map(text).collect() }
    }
}

/// A shader file, by its stem in `shaders/`, and its text at build time.
#[derive(Clone, Copy, Debug)]
pub struct Wgsl {
    pub stem: &'static str,
    pub text: &'static str,
    /// Taken only where this constant has this value.
    pub only: Option<(&'static str, u32)>,
}

impl Wgsl {
    /// Returns whether the file is part of the text that `consts` choose.
    pub fn is_taken(&self, consts: &Consts) -> bool {
        self.only.is_none_or(|(name, value)| consts.get(name) == value)
    }
}

/// The shader files of a variant: `wgsl!("rms_norm", "lib/reduce")`. After a semicolon come files
/// that exist for each width of code, of which one is taken by the constant `BITS`:
/// `wgsl!("lib/matvec", "lib/weights_grid"; "lib/codes")` for `lib/codes_2` to `lib/codes_8`. Likewise `cache "lib/cache"`
/// stands for a file for each type of the cache, taken by its bits in the constant `CACHE`.
#[macro_export]
macro_rules! wgsl {
    ($($stem:literal),+) => {
        &[$($crate::wgsl!(@file $stem, None)),+]
    };
    ($($stem:literal),+; $($codes:literal),+) => {
        &[
            $($crate::wgsl!(@file $stem, None)),+,
            $($crate::wgsl!(@file concat!($codes, "_2"), Some(("BITS", 2))),
            $crate::wgsl!(@file concat!($codes, "_3"), Some(("BITS", 3))),
            $crate::wgsl!(@file concat!($codes, "_4"), Some(("BITS", 4))),
            $crate::wgsl!(@file concat!($codes, "_8"), Some(("BITS", 8)))),+
        ]
    };
    ($($stem:literal),+; cache $reads:literal) => {
        &[
            $($crate::wgsl!(@file $stem, None)),+,
            $crate::wgsl!(@file concat!($reads, "_16"), Some(("CACHE", 16))),
            $crate::wgsl!(@file concat!($reads, "_32"), Some(("CACHE", 32)))
        ]
    };
    (@file $stem:expr, $only:expr) => {
        $crate::plan::kernel::Wgsl {
            stem: $stem,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $stem, ".wgsl")),
            only: $only,
        }
    };
}

/// Declares a kernel's parameters as its shader does: `params! { struct Params { cols: u32, eps: f32 } }`. Fields are
/// `u32` or `f32`. The struct is plain data, and `Params::FIELDS` lists names and types for [`Kernel::params`].
#[macro_export]
macro_rules! params {
    ($vis:vis struct $name:ident { $($(#[$doc:meta])* $field_vis:vis $field:ident: $type:ident),* $(,)? }) => {
        #[repr(C)]
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name { $($(#[$doc])* $field_vis $field: $type),* }

        impl $name {
            $vis const FIELDS: &'static [$crate::plan::kernel::Field] = &[$((stringify!($field), stringify!($type))),*];
        }
    };
}

/// A field of a kernel's parameters: its name and its WGSL type, `u32` or `f32`.
pub type Field = (&'static str, &'static str);

/// A kernel: what the engine can compute in one step.
pub struct Kernel {
    /// Also the stem of its portable shader and of its Rust file.
    pub name: &'static str,
    /// `Params::FIELDS`. The shader's `Params` must begin alike, or its variant does not compile; further fields are
    /// for the reference alone.
    pub params: &'static [Field],
    /// Best for a GPU first, down to one that needs nothing. Those after it run only where
    /// `gpu::tuning` names them.
    pub variants: &'static [Variant],
    /// The definition: plain f32 loops over the same params and buffers.
    pub reference: fn(&mut Io),
    /// A quicker CPU form, where a whole model needs one; held to `nmse` by the tests.
    pub host: Option<Host>,
    pub cases: &'static [Case],
}

impl Kernel {
    /// Returns whether it multiplies few rows by a weight.
    pub fn is_matvec(&self) -> bool {
        self.name.starts_with("matvec")
    }
}

/// A CPU implementation other than the reference.
pub struct Host {
    pub run: fn(&mut Io),
    pub nmse: f64,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A step as its reference sees it: parameters, inputs and outputs.
pub struct Io<'a> {
    params: &'a [u8],
    inputs: Vec<&'a [u32]>,
    outputs: Vec<&'a mut [u32]>,
}

impl<'a> Io<'a> {
    pub fn new(params: &'a [u8], inputs: Vec<&'a [u32]>, outputs: Vec<&'a mut [u32]>) -> Io<'a> {
        Io { params, inputs, outputs }
    }

    /// Returns the step with other words for an input, by number from 0.
    pub fn with_input<'b>(&'b mut self, input: usize, words: &'b [u32]) -> Io<'b> {
        let mut inputs = self.inputs.clone();
        inputs[input] = words;
        Io { params: self.params, inputs, outputs: self.outputs.iter_mut().map(|output| &mut **output).collect() }
    }

    /// Returns the step's parameters.
    pub fn params<P: Pod>(&self) -> P {
        bytemuck::pod_read_unaligned(&self.params[..size_of::<P>()])
    }

    /// Returns the number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Returns an input, by number from 0, as f32 values.
    pub fn f32(&self, input: usize) -> &'a [f32] {
        bytemuck::cast_slice(self.inputs[input])
    }

    /// Returns the words of an input.
    pub fn u32(&self, input: usize) -> &'a [u32] {
        self.inputs[input]
    }

    /// Returns the first output as f32 values: what it had before, to be overwritten or added to.
    pub fn out_f32(&mut self) -> &mut [f32] {
        self.output_f32(0)
    }

    /// Returns an output, by number from 0, as f32 values.
    pub fn output_f32(&mut self, output: usize) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.outputs[output])
    }

    /// Returns the words of an output, by number from 0.
    pub fn output_u32(&mut self, output: usize) -> &mut [u32] {
        self.outputs[output]
    }

    /// Returns the words of the first output.
    pub fn out_u32(&mut self) -> &mut [u32] {
        self.outputs[0]
    }
}

/// One shape a kernel is tested on.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    /// The shape is a real model's: benches time it, too.
    pub bench: bool,
    /// Adds the step under test to the trial's plan and returns its output.
    pub build: fn(&mut Trial) -> Tensor,
}

impl Case {
    /// A shape of a real model, which benches time.
    pub const fn bench(name: &'static str, build: fn(&mut Trial) -> Tensor) -> Case {
        Case { name, bench: true, build }
    }

    /// A small shape for an edge: a last tile that is not full, several row blocks, a bias.
    pub const fn test(name: &'static str, build: fn(&mut Trial) -> Tensor) -> Case {
        Case { name, bench: false, build }
    }
}

/// A 32-bit mix with good avalanche (the constants are those of the `lowbias32` hash by
/// C. Wellons); `shaders/random_bf16.wgsl` computes the same.
pub fn hash(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// A value spread evenly over -1..1, never zero, from a counter. Every operation is exact, so that
/// a shader computes the same bits.
pub fn uniform(counter: u32) -> f32 {
    ((hash(counter) >> 9) as f32 + 0.5) / (1 << 22) as f32 - 1.0
}
