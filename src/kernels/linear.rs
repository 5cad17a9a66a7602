//! The product y = x · Wᵀ + bias for every format: parameters, row blocks, output, variants, trials.

use bytemuck::Zeroable;

pub(crate) use super::linear_host::{DequantizeRow, host_matmul, host_matvec, reference};
use crate::params;
use crate::plan::kernel::{Wgsl, uniform};
use crate::plan::{Consts, Element, Kernel, Needs, Plan, Tensor, Trial, Variant};

/// Some rows of a weight, small enough for one binding: the tensors of its layout in binding order.
#[derive(Clone, Debug)]
pub struct RowBlock {
    /// First row of the block in the whole weight.
    pub row0: usize,
    pub rows: usize,
    /// Tensors of the format, in binding order.
    pub tensors: Vec<Tensor>,
}

/// Destination of a product.
#[derive(Clone, Copy, Debug)]
pub enum Output {
    /// A new tensor.
    New,
    /// Added to this tensor: the residual stream.
    Add(Tensor),
    /// A new tensor, SwiGLU (Shazeer, 2020): silu of the first half of the product times the second.
    Gated,
    /// Put into this tensor.
    Into(Tensor),
}

/// Numbers that a product's shaders are specialized for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WeightLayout {
    /// Bits of a code; 0 for weights without codes.
    pub bits: u32,
    /// Columns that share a scale; 0 for formats without groups.
    pub group_size: usize,
    /// Bits of the codes of scales and of zeros; 0 where those are not coded.
    pub scale_bits: u32,
    pub zero_bits: u32,
    /// LLM.int8(): inputs of at least this magnitude are outliers; 0 for other formats.
    pub threshold: f32,
    /// Number of the GGUF block type; 0 where the weight has none.
    pub block: u32,
}

impl WeightLayout {
    /// Returns the bytes of a row of codes, in whole blocks of 128 columns, or of bf16.
    pub fn row_bytes(self, cols: usize) -> u64 {
        match self.bits {
            0 => 2 * cols as u64,
            bits => cols.next_multiple_of(128) as u64 * u64::from(bits) / 8,
        }
    }
}

// Parameters of every matvec and matmul, as in shaders/lib/product.wgsl.
params! {
    pub(crate) struct Params {
        pub m: u32,
        pub k: u32,
        pub n: u32,
        /// Columns of the whole output, and the first column of this row block there and in the bias.
        pub y_stride: u32,
        pub y_col: u32,
        pub bias_col: u32,
        pub flags: u32,
        pub group_size: u32,
        /// Epsilon of x's norm.
        pub eps: f32,
        /// LLM.int8(): the least f32 that is an outlier.
        pub threshold: f32,
        /// For the references; shaders have them as the constants `BITS`, `SCALE_WIDTH`, `ZERO_WIDTH` and `BLOCK`.
        pub bits: u32,
        pub scale_bits: u32,
        pub zero_bits: u32,
        pub block: u32,
    }
}

/// Flags of a product: nothing added, the bias, what the output had before; or silu of one half times the other.
pub(crate) const PLAIN: u32 = 0;
pub(crate) const BIAS: u32 = 1;
pub(crate) const ADD: u32 = 2;
pub(crate) const GATE: u32 = 4;
/// The output times the weight of the next norm, too; the output in the order of columns of the next product; x to be normed.
pub(crate) const NEXT: u32 = 8;
pub(crate) const ORDER: u32 = 16;
pub(crate) const NORM: u32 = 32;
/// Of trials: the output is some columns of a wider tensor.
pub(crate) const COLUMNS: u32 = 64;

/// Arguments of x · Wᵀ + bias: x [m, k], or [m, ..] where the format packs inputs too, W [n, k] in row
/// blocks, bias [1, n]. With `norm` x is [2m, k]: the residual stream, and behind it the same times the norm's weights.
#[derive(Clone, Copy)]
pub struct LinearArgs<'a> {
    pub x: Tensor,
    /// Epsilon of the norm that x is to have. None: it is taken as it is.
    pub norm: Option<f32>,
    pub k: usize,
    pub row_blocks: &'a [RowBlock],
    pub layout: WeightLayout,
    pub bias: Option<Tensor>,
    pub output: Output,
    /// Column of the output at which the product begins.
    pub first: usize,
    /// \[outputs, 2\]: what follows the output, see [`next_words`]. The output that is added to is then \[2m, n\], as an
    /// x that is to be normed; another has its columns in this order.
    pub next: Option<Tensor>,
}

impl Plan {
    /// Adds the product by `kernel`, one step for each row block. Returns y [m, n].
    pub(crate) fn linear(&mut self, kernel: &'static Kernel, name: &str, args: LinearArgs) -> Tensor {
        let LinearArgs { x, norm, k, row_blocks, layout, bias, output, first, next } = args;
        let last = row_blocks.last().expect("a weight has rows");
        let (m, n) = (if norm.is_some() { x.rows / 2 } else { x.rows }, last.row0 + last.rows);
        assert!(k.is_multiple_of(32), "{name}: {k} columns");
        let (y, flag) = match output {
            Output::New => (self.scratch(m, n, Element::F32), PLAIN),
            Output::Into(y) => (y, PLAIN),
            Output::Add(y) => (y, ADD),
            Output::Gated => (self.scratch(m, n / 2, Element::F32), GATE),
        };
        let gates = if flag == GATE { n / 2 } else { 0 };
        assert!(gates == 0 || can_gate(row_blocks), "{name}: a gate in {} row blocks of {n} rows", row_blocks.len());
        assert!(first + n - gates <= y.cols, "{name}: columns {first}+{n} of {y:?}");
        let follows = match next {
            None => PLAIN,
            Some(_) if flag == ADD => NEXT,
            Some(_) => ORDER,
        };
        y.expect("y", if follows == NEXT { 2 * m } else { m }, y.cols, Element::F32);
        if let Some(next) = next {
            next.expect("next", y.cols, 2, Element::U32);
        }
        if let Some(bias) = bias {
            bias.expect("bias", 1, n, Element::F32);
        }
        for block in row_blocks {
            let flags =
                flag | follows | if bias.is_some() { BIAS } else { PLAIN } | if norm.is_some() { NORM } else { PLAIN };
            let params = Params {
                m: m as u32,
                k: k as u32,
                n: block.rows as u32,
                y_stride: y.cols as u32,
                y_col: (first + block.row0) as u32,
                bias_col: block.row0 as u32,
                flags,
                eps: norm.unwrap_or(0.0),
                ..Params::of(layout)
            };
            // Every binding must be bound: without a bias or what is next x stands in, unread.
            let outputs = [bias.unwrap_or(x), next.unwrap_or(x), y];
            let bind: Vec<Tensor> = [x].into_iter().chain(block.tensors.iter().copied()).chain(outputs).collect();
            let weight: u64 = block.tensors.iter().map(|t| t.bytes()).sum();
            let flops = 2 * (m * k * block.rows) as u64;
            let step = self.add(kernel, name, params, &bind, [m, block.rows - gates], flops);
            step.bytes = weight + x.bytes() + (4 * m * (block.rows - gates)) as u64;
            step.consts = consts(layout);
            step.consts.extend(tile(m, block.rows));
            step.consts.extend(matvec_tile(block.rows - gates, gates > 0));
            // A workgroup of matvecs that have this constant takes all rows.
            step.consts.push(("BATCH", m as u32));
            step.consts.push(("PASSES", if gates > 0 { 2 } else { 1 }));
            step.consts.push(("GATED", u32::from(gates > 0)));
            step.consts.push(("NORMED", u32::from(norm.is_some())));
        }
        y
    }
}

/// Returns what follows outputs: for each the bits of its factor `weight`, which is the weight of the next norm, and its column
/// in `order`, that of the columns of the next product's weight. None: one; their own.
pub fn next_words(outputs: usize, weight: Option<&[u32]>, order: Option<&[u32]>) -> Vec<u32> {
    let one = 1.0f32.to_bits();
    let mut words: Vec<u32> = (0..outputs).flat_map(|n| [weight.map_or(one, |w| w[n]), n as u32]).collect();
    for (stored, &column) in order.unwrap_or_default().iter().enumerate() {
        words[2 * column as usize + 1] = stored as u32;
    }
    words
}

/// Returns whether the gate and the other half are in one binding, each in whole runs of rows that share statistics.
pub(crate) fn can_gate(row_blocks: &[RowBlock]) -> bool {
    matches!(row_blocks, [all] if all.rows.is_multiple_of(64))
}

impl Params {
    fn of(layout: WeightLayout) -> Params {
        let WeightLayout { bits, group_size, scale_bits, zero_bits, threshold, block } = layout;
        Params { group_size: group_size as u32, bits, scale_bits, zero_bits, threshold, block, ..Params::zeroed() }
    }
}

pub(crate) fn consts(layout: WeightLayout) -> Vec<(&'static str, u32)> {
    let WeightLayout { bits, group_size, scale_bits, zero_bits, block, .. } = layout;
    let units = group_size as u32 / 32;
    let coded = [("SCALE_WIDTH", scale_bits), ("ZERO_WIDTH", zero_bits)];
    let all = [("BITS", bits), ("GROUP", units), ("BLOCK", block)].into_iter().chain(coded);
    all.filter(|(_, value)| *value > 0).collect()
}

/// Shader files and constants of a variant.
type Files = &'static [Wgsl];
type Defaults = &'static [(&'static str, u32)];

/// Matvec whose workgroups share the columns of `TILE` rows and add up by subgroup operations.
pub(crate) const fn matvec_subgroup(wgsl: Files, consts: Defaults) -> Variant {
    let tile = |c: &Consts| [1, c.get("TILE")];
    Variant { name: "subgroup", needs: Needs::SUBGROUP, wgsl, consts, tile, nmse: 1e-10 }
}

/// The same whose lanes share x, too, and take `RUNS` times `TILE` rows, of a gated product half of them in either half.
pub(crate) const fn matvec_staged(wgsl: Files, consts: Defaults) -> Variant {
    let tile = |c: &Consts| [1, c.get("TILE") * (c.get("RUNS") / c.get("PASSES")).max(1)];
    Variant { tile, ..matvec_subgroup(wgsl, consts) }
}

/// Returns the rows and columns of y that a workgroup takes where it loads each weight once for several rows.
pub(crate) fn batch_tile(consts: &Consts) -> [u32; 2] {
    [consts.get("BATCH"), consts.get("TILE")]
}

/// Matvec whose workgroups are eight lanes and compute `ROWS` rows, for software drivers.
pub(crate) const fn matvec_rows_subgroup<const ROWS: u32>(wgsl: Files, consts: Defaults) -> Variant {
    Variant { name: "rows_subgroup", needs: Needs::SUBGROUP8, wgsl, consts, tile: |_| [1, ROWS], nmse: 1e-10 }
}

/// The same with weights loaded by 64 bits.
pub(crate) const fn matvec_int64_subgroup<const ROWS: u32>(wgsl: Files, consts: Defaults) -> Variant {
    let needs = Needs::SUBGROUP8.union(Needs::INT64);
    Variant { name: "int64_subgroup", needs, ..matvec_rows_subgroup::<ROWS>(wgsl, consts) }
}

/// Returns the tile of y that a matmul's workgroup computes of ROWS by COLS sums: of a gated product they are two for a value.
pub(crate) fn outputs<const ROWS: u32, const COLS: u32>(consts: &Consts) -> [u32; 2] {
    [ROWS, COLS >> consts.get("GATED")]
}

/// Matmul by cooperative matrices of 16x16, `coop`, or of 8x8, `coop8`. Or over a plain emulation of their tiles,
/// `coop_emulated`: slow, and the same everywhere else, so that its indexing and epilogue are tested on every adapter.
pub(crate) const fn matmul_coop(name: &'static str, needs: Needs, wgsl: Files, consts: Defaults) -> Variant {
    Variant { name, needs, wgsl, consts, tile: outputs::<64, 64>, nmse: 1e-6 }
}

/// The first of these, whose workgroups' tile a step chooses.
pub(crate) const fn matmul_coop16(wgsl: Files, consts: Defaults) -> Variant {
    let tile = |c: &Consts| [c.get("TILE_ROWS"), c.get("TILE_COLS") >> c.get("GATED")];
    Variant { tile, ..matmul_coop("coop", COOP.union(Needs::COOP_MATRIX), wgsl, consts) }
}

/// Returns the rows and columns of y that a workgroup of `coop` takes: more of them halve what it loads and converts for a
/// product, where a workgroup and a half or two are left for each core of a large GPU.
fn tile(m: usize, n: usize) -> [(&'static str, u32); 2] {
    let fills = |rows, cols, least| m.div_ceil(rows) * n.div_ceil(cols) >= least;
    let rows = if fills(128, 64, 192) { 128 } else { 64 };
    [("TILE_ROWS", rows), ("TILE_COLS", if fills(128, 128, 256) { 128 } else { 64 })]
}

/// Returns the rows that a matvec's workgroup takes: the more, the less is loaded and computed for each of x alone, as long as
/// two workgroups are left for each core of a large GPU.
fn matvec_tile(rows: usize, gated: bool) -> [(&'static str, u32); 2] {
    let fills = |of_workgroup| rows.div_ceil(of_workgroup) >= 264;
    let few = !fills(4) && fills(2);
    [("TILE", if few { 2 } else { 4 }), ("RUNS", if gated || fills(8) { 2 } else { 1 })]
}

/// Features that variants with cooperative matrices need besides them.
pub(crate) const COOP: Needs = Needs::F16.union(Needs::SUBGROUP);

/// Matmul whose workgroups are eight lanes, for software drivers.
pub(crate) const fn matmul_rows_subgroup(wgsl: Files, consts: Defaults) -> Variant {
    Variant { name: "rows_subgroup", needs: Needs::SUBGROUP8, wgsl, consts, tile: outputs::<32, 32>, nmse: 1e-10 }
}

/// Lists the variants that the matmul of every format has, best first. `wgsl` is the macro that joins shader files,
/// with the files that load the format's weights; `rows` are the files of the variant for software drivers. A
/// format's own variants stand before (`first`) or after (`last`) these.
macro_rules! matmul_variants {
    ($(first: $first:expr,)? wgsl: $wgsl:ident![$($weights:literal),+ $(; $($codes:literal),+)?],
     consts: [$($const:expr),*], rows: $rows:expr $(, last: $last:expr)?) => {
        &[
            $($first,)?
            $crate::kernels::linear::matmul_coop16(
                $wgsl!("lib/tile_coop", "lib/matmul_coop", $($weights,)+ "lib/product_rows", "lib/product" $(; $($codes),+)?),
                &[("GATED", 0), ("LANES", 32), ("TILE_ROWS", 64), ("TILE_COLS", 64), $($const),*],
            ),
            $crate::kernels::linear::matmul_coop(
                "coop8",
                $crate::kernels::linear::COOP.union($crate::plan::Needs::COOP_MATRIX8),
                $wgsl!("lib/tile_coop8", "lib/matmul_coop", $($weights,)+ "lib/product_rows", "lib/product" $(; $($codes),+)?),
                &[("GATED", 0), ("LANES", 32), ("HIGH", 4), $($const),*],
            ),
            $crate::plan::Variant::portable(
                $wgsl!("lib/matmul", $($weights,)+ "lib/product_rows", "lib/product" $(; $($codes),+)?),
                &[("GATED", 0), $($const),*],
                $crate::kernels::linear::outputs::<64, 64>,
                1e-10,
            ),
            $crate::kernels::linear::matmul_rows_subgroup($rows, &[("GATED", 0), $($const),*]),
            $crate::kernels::linear::matmul_coop(
                "coop_emulated",
                $crate::plan::Needs::empty(),
                $wgsl!("lib/tile_emulated", "lib/matmul_coop", $($weights,)+ "lib/product_rows", "lib/product" $(; $($codes),+)?),
                &[("GATED", 0), $($const),*],
            ),
            $($last,)?
        ]
    };
}
pub(crate) use matmul_variants;

/// Builds a trial of a product of x [m, k] and a weight in row blocks of `rows`, with a bias and an output to add to as
/// `flags` say; `pack` makes the tensors of one block.
pub(crate) fn trial(
    t: &mut Trial,
    kernel: &'static Kernel,
    [m, k]: [usize; 2],
    rows: &[usize],
    flags: u32,
    layout: WeightLayout,
    pack: impl Fn(&mut Trial, usize) -> Vec<Tensor>,
) -> Tensor {
    let x = t.f32(if flags & NORM != 0 { 2 * m } else { m }, k);
    trial_of(t, kernel, (x, k), rows, flags, layout, pack)
}

/// Builds the same for an x that is there already, of k columns before its format packed it.
pub(crate) fn trial_of(
    t: &mut Trial,
    kernel: &'static Kernel,
    (x, k): (Tensor, usize),
    rows: &[usize],
    flags: u32,
    layout: WeightLayout,
    pack: impl Fn(&mut Trial, usize) -> Vec<Tensor>,
) -> Tensor {
    let m = if flags & NORM != 0 { x.rows / 2 } else { x.rows };
    let n = rows.iter().sum();
    let row_blocks = row_blocks(t, rows, pack);
    let bias = (flags & BIAS != 0).then(|| t.f32(1, n));
    let next = (flags & (NEXT | ORDER) != 0).then(|| trial_next(t, if flags & GATE != 0 { n / 2 } else { n }));
    let output = match flags & (ADD | GATE | COLUMNS) {
        ADD => Output::Add(t.f32(if flags & NEXT != 0 { 2 * m } else { m }, n)),
        GATE => Output::Gated,
        COLUMNS => Output::Into(t.f32(m, n + 7)),
        _ => Output::New,
    };
    let first = if flags & COLUMNS != 0 { 3 } else { 0 };
    let norm = (flags & NORM != 0).then_some(1e-6);
    t.plan.linear(kernel, "", LinearArgs { x, norm, k, row_blocks: &row_blocks, layout, bias, output, first, next })
}

/// Builds what follows outputs of a trial.
pub(crate) fn trial_next(t: &mut Trial, outputs: usize) -> Tensor {
    let weights: Vec<u32> = (0..outputs as u32).map(|i| uniform(i).to_bits()).collect();
    // 41 divides none of the trials' outputs, so this is an order.
    let order: Vec<u32> = (0..outputs as u32).map(|i| i * 41 % outputs as u32).collect();
    let words = next_words(outputs, Some(&weights), Some(&order));
    t.words(outputs, 2, |i| words[i])
}

/// Builds row blocks of these rows; `pack` makes the tensors of one.
pub(crate) fn row_blocks(
    t: &mut Trial,
    rows: &[usize],
    pack: impl Fn(&mut Trial, usize) -> Vec<Tensor>,
) -> Vec<RowBlock> {
    let mut row0 = 0;
    let block = |&rows: &usize| {
        row0 += rows;
        RowBlock { row0: row0 - rows, rows, tensors: pack(t, rows) }
    };
    rows.iter().map(block).collect()
}
