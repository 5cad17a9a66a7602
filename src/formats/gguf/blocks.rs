//! GGUF's block types: w = scale · (code - offset) - minimum, scale and minimum for each group of columns.
//!
//! One entry a type, and one line in `each_block`, from which the list, the shaders' texts and the kernels' cases
//! follow. `checkpoint` decodes the same types to f32; here they stay as they are, codes and statistics apart.

#![expect(clippy::single_range_in_vec_init, reason = "the bytes of statistics are a list of ranges, often of one")]

use std::ops::Range;

use half::f16;

/// A block type: how a block's bytes split into codes and statistics, and what those mean.
#[derive(Debug)]
pub struct Block {
    /// As `checkpoint::STORAGE` and GGUF's own tools print it.
    pub name: &'static str,
    /// The type's number in a GGUF file; the shaders' constant `BLOCK`.
    pub id: u32,
    /// Columns of a block, and its bytes in a file.
    pub columns: usize,
    pub bytes: usize,
    /// Columns that share a scale and a minimum: 16 or 32.
    pub group: usize,
    /// Offset that is subtracted from a code.
    offset: i32,
    /// Places of a code's bits, the lowest first.
    codes: &'static [BitField],
    /// Mask that is added to a code by xor: 128 makes a signed byte a code above an offset of 128.
    flip: u8,
    /// The bytes that are statistics.
    stats: &'static [Range<usize>],
    /// Places of the f16 factors of scales and of minimums among the statistics.
    scale: usize,
    minimum: Option<usize>,
    /// A group's own factors of these two, from the statistics and the group's number.
    factors: fn(&[u8], usize) -> (i32, i32),
    /// Statistics whose own factors are all one, the f16 left 0.
    ones: &'static [u8],
}

/// Some bits of each code: of every `span` columns, column i has those of byte `at` + i % n from bit i / n · `bits`
/// on, in n = `span` · `bits` / 8 bytes.
#[derive(Debug)]
struct BitField {
    at: usize,
    bits: u32,
    span: usize,
}

const fn field(at: usize, bits: u32, span: usize) -> BitField {
    BitField { at, bits, span }
}

/// Hands every block type to a macro: its entry, bits of a code, the shaders of its statistics, the second for
/// the matvec on GPUs, and columns of the weight that the kernels are timed on.
macro_rules! each_block {
    ($then:ident $($first:tt)*) => {
        $then! {
            $($first)*
            [Q4_0 4 "lib/stats_q4_0" "lib/unit_stats_0" 896]
            [Q5_0 5 "lib/stats_q5_0" "lib/unit_stats_0" 896]
            [Q8_0 8 "lib/stats_q8_0" "lib/unit_stats_0" 896]
            [Q2_K 2 "lib/stats_q2_k" "lib/unit_stats_q2_k" 1024]
            [Q3_K 3 "lib/stats_q3_k" "lib/unit_stats_q3_k" 1024]
            [Q4_K 4 "lib/stats_q4_k" "lib/unit_stats_q4_k" 1024]
            [Q5_K 5 "lib/stats_q4_k" "lib/unit_stats_q4_k" 1024]
            [Q6_K 6 "lib/stats_q6_k" "lib/unit_stats_q6_k" 1024]
        }
    };
}
pub(super) use each_block;

macro_rules! list {
    ($([$block:ident $bits:literal $stats:literal $unit_stats:literal $cols:literal])*) => { &[$(&$block),*] };
}

/// Every block type that products and embeddings take as it is.
pub static BLOCKS: &[&Block] = each_block!(list);

pub const Q4_0: Block = Block { name: "Q4_0", id: 2, codes: &[field(2, 4, 32)], offset: 8, ..plain(18) };

pub const Q5_0: Block =
    Block { name: "Q5_0", id: 6, codes: &[field(6, 4, 32), field(2, 1, 8)], offset: 16, ..plain(22) };

pub const Q8_0: Block = Block { name: "Q8_0", id: 8, codes: &[field(2, 8, 32)], offset: 128, flip: 128, ..plain(34) };

/// 32 columns in one group that start with their scale in f16, without an offset and a minimum.
const fn plain(bytes: usize) -> Block {
    Block {
        name: "",
        id: 0,
        columns: 32,
        bytes,
        group: 32,
        offset: 0,
        codes: &[],
        flip: 0,
        stats: &[0..2],
        scale: 0,
        minimum: None,
        factors: |_, _| (1, 0),
        ones: &[0; 2],
    }
}

pub const Q2_K: Block = Block {
    name: "Q2_K",
    id: 10,
    columns: 256,
    group: 16,
    codes: &[field(16, 2, 128)],
    stats: &[0..16, 80..84],
    scale: 16,
    minimum: Some(18),
    factors: |s, g| ((s[g] & 15).into(), (s[g] >> 4).into()),
    ones: &[17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 0, 0, 0, 0],
    ..plain(84)
};

/// A clear third bit subtracts 4: an offset of 4.
pub const Q3_K: Block = Block {
    name: "Q3_K",
    id: 11,
    columns: 256,
    group: 16,
    offset: 4,
    codes: &[field(32, 2, 128), field(0, 1, 256)],
    stats: &[96..110],
    scale: 12,
    factors: |s, g| {
        let low = s[g % 8] >> (4 * (g / 8)) & 15;
        let high = s[8 + g % 4] >> (2 * (g / 4)) & 3;
        (i32::from(low | high << 4) - 32, 0)
    },
    ones: &[17, 17, 17, 17, 17, 17, 17, 17, 0xaa, 0xaa, 0xaa, 0xaa, 0, 0],
    ..plain(110)
};

pub const Q4_K: Block = Block {
    name: "Q4_K",
    id: 12,
    columns: 256,
    codes: &[field(16, 4, 64)],
    stats: &[0..16],
    minimum: Some(2),
    factors: |s, g| {
        let s = &s[4..];
        let (scale, minimum) = match g {
            0..4 => (s[g] & 63, s[g + 4] & 63),
            _ => (s[g + 4] & 15 | (s[g - 4] >> 6) << 4, s[g + 4] >> 4 | (s[g] >> 6) << 4),
        };
        (scale.into(), minimum.into())
    },
    ones: &[0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 17, 17, 17, 17],
    ..plain(144)
};

pub const Q5_K: Block =
    Block { name: "Q5_K", id: 13, bytes: 176, codes: &[field(48, 4, 64), field(16, 1, 256)], ..Q4_K };

pub const Q6_K: Block = Block {
    name: "Q6_K",
    id: 14,
    columns: 256,
    group: 16,
    offset: 32,
    codes: &[field(0, 4, 128), field(128, 2, 128)],
    stats: &[192..210],
    scale: 16,
    factors: |s, g| ((s[g] as i8).into(), 0),
    ones: &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
    ..plain(210)
};

impl PartialEq for Block {
    fn eq(&self, other: &Block) -> bool {
        self.id == other.id
    }
}

impl Eq for Block {}

impl Block {
    /// Returns the type with this name, as GGUF's tools print it.
    pub fn named(name: &str) -> Option<&'static Block> {
        BLOCKS.iter().copied().find(|block| block.name.eq_ignore_ascii_case(name))
    }

    /// Returns this type, or where `cols` are not whole blocks of it the narrowest wider type of 32 columns, as GGUF's
    /// tools choose.
    pub fn fitting(&'static self, cols: usize) -> &'static Block {
        let fits = |block: &&&Block| block.columns == 32 && block.bits() > self.bits();
        match cols.is_multiple_of(self.columns) {
            true => self,
            false => BLOCKS.iter().filter(fits).min_by_key(|block| block.bits()).expect("codes of 8 bits are widest"),
        }
    }

    /// The type with this number.
    pub(super) fn numbered(id: u32) -> &'static Block {
        BLOCKS.iter().copied().find(|block| block.id == id).expect("a layout names a block type of the list")
    }

    /// Bits of a code.
    pub fn bits(&self) -> u32 {
        self.codes.iter().map(|field| field.bits).sum()
    }

    /// Bytes of a block's statistics on a device: whole words, or two blocks to a word.
    pub fn stat_bytes(&self) -> usize {
        let bytes = self.ones.len();
        if bytes < 4 { bytes } else { bytes.next_multiple_of(4) }
    }

    /// Splits a block: its codes, eight of them in [`Self::bits`] bytes, the lowest first, and its statistics.
    pub fn split(&self, block: &[u8], codes: &mut [u8], stats: &mut [u8]) {
        let mut wide = [0u8; 256];
        let wide = &mut wide[..self.columns];
        let mut below = 0;
        for &BitField { at, bits, span } in self.codes {
            let (bytes, mask) = (span * bits as usize / 8, ((1u32 << bits) - 1) as u8);
            for (wide, from) in wide.chunks_exact_mut(span).zip(block[at..].chunks_exact(bytes)) {
                for (part, wide) in wide.chunks_exact_mut(bytes).enumerate() {
                    for (code, byte) in wide.iter_mut().zip(from) {
                        *code |= (byte >> (part as u32 * bits) & mask) << below;
                    }
                }
            }
            below += bits;
        }
        let bits = self.bits() as usize;
        for (wide, codes) in wide.chunks_exact(8).zip(codes.chunks_exact_mut(bits)) {
            let pack = |word: u64, &code: &u8| word << bits | u64::from(code ^ self.flip);
            let word = wide.iter().rev().fold(0, pack);
            codes.copy_from_slice(&word.to_le_bytes()[..bits]);
        }
        let from = self.stats.iter().flat_map(|range| &block[range.clone()]);
        stats.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
    }

    /// Scale and minimum of a group of a block with these statistics.
    pub fn scale_and_minimum(&self, stats: &[u8], group: usize) -> (f32, f32) {
        let half = |at: usize| f16::from_le_bytes([stats[at], stats[at + 1]]).to_f32();
        let (scale, minimum) = (self.factors)(stats, group);
        (half(self.scale) * scale as f32, self.minimum.map_or(0.0, |at| half(at) * minimum as f32))
    }

    /// A weight from its code.
    #[inline(always)]
    pub fn weight(&self, code: u8, (scale, minimum): (f32, f32)) -> f32 {
        scale * (i32::from(code) - self.offset) as f32 - minimum
    }

    /// Statistics by which every group has this scale, and the minimum that spreads the weights evenly around 0.
    pub fn even_stats(&self, scale: f32, stats: &mut [u8]) {
        stats[..self.ones.len()].copy_from_slice(self.ones);
        let largest = ((1 << self.bits()) - 1) as f32;
        self.set_factors(scale, scale * largest / 2.0, stats);
    }

    /// Sets the f16 factors of a block's scales and minimums.
    pub(super) fn set_factors(&self, scale: f32, minimum: f32, stats: &mut [u8]) {
        let mut set = |at: usize, value: f32| stats[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
        set(self.scale, scale);
        self.minimum.into_iter().for_each(|at| set(at, minimum));
    }
}
