//! Decoders of the storage types, bit for bit those of gguf-py (its `quants.py`).
//!
//! Each takes whole blocks and writes every element. Products are in the order the reference takes
//! them, since f32 rounding depends on it. Loops run over fixed-size arrays without early exits, so
//! the compiler vectorizes them. `d` and `m` are a block's f16 scale and minimum.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Calls `decode` on each block of `BYTES` bytes and its `N` elements.
fn each<const BYTES: usize, const N: usize>(
    blocks: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; N]),
) {
    let (blocks, rest) = blocks.as_chunks::<BYTES>();
    let (out, unfilled) = out.as_chunks_mut::<N>();
    assert!(rest.is_empty() && unfilled.is_empty() && blocks.len() == out.len());
    for (block, out) in blocks.iter().zip(out) {
        decode(block, out);
    }
}

/// Returns the f16 at byte `at`.
fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

pub fn f32(blocks: &[u8], out: &mut [f32]) {
    each::<4, 1>(blocks, out, |block, out| out[0] = f32::from_le_bytes(*block));
}

pub fn f16(blocks: &[u8], out: &mut [f32]) {
    // All at once, so that the processor's own conversion serves eight of them.
    let halves: Vec<f16> = blocks.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes)).collect();
    halves.convert_to_f32_slice(out);
}

pub fn bf16(blocks: &[u8], out: &mut [f32]) {
    each::<2, 1>(blocks, out, |block, out| out[0] = f32::from_bits(u32::from(u16::from_le_bytes(*block)) << 16));
}

/// Decodes blocks of 32 elements: d, m if there is a `MINIMUM`, 4 bytes of fifth bits if there are `FIFTH` bits, and 16
/// bytes of nibbles, of which the low ones are elements 0..16 and the high ones 16..32. Without a minimum, codes are
/// signed by an offset.
pub fn nibbles<const BYTES: usize, const MINIMUM: bool, const FIFTH: bool>(blocks: &[u8], out: &mut [f32]) {
    each::<BYTES, 32>(blocks, out, |block, out| {
        let (d, m) = (half(block, 0), if MINIMUM { half(block, 2) } else { 0.0 });
        let high = if FIFTH { fifth_bits(&block[BYTES - 20..BYTES - 16]) } else { [0; 32] };
        let codes = &block[BYTES - 16..];
        let value = |code: u8| match MINIMUM {
            true => d * f32::from(code) + m,
            false => d * (i32::from(code) - if FIFTH { 16 } else { 8 }) as f32,
        };
        for i in 0..16 {
            out[i] = value(codes[i] & 15 | high[i]);
            out[16 + i] = value(codes[i] >> 4 | high[16 + i]);
        }
    });
}

/// Returns the fifth bit of each of 32 elements as 0 or 16; bit i of the little-endian word is element i's.
fn fifth_bits(word: &[u8]) -> [u8; 32] {
    let mut bits = [0; 32];
    for (bits, byte) in bits.as_chunks_mut::<8>().0.iter_mut().zip(word) {
        for (k, bit) in bits.iter_mut().enumerate() {
            *bit = if byte & (1 << k) == 0 { 0 } else { 16 };
        }
    }
    bits
}

/// Decodes d, then 32 signed bytes.
pub fn q8_0(blocks: &[u8], out: &mut [f32]) {
    each::<34, 32>(blocks, out, |block, out| {
        let d = half(block, 0);
        for (out, &byte) in out.iter_mut().zip(&block[2..]) {
            *out = d * f32::from(byte as i8);
        }
    });
}

/// Decodes 16 bytes of scale (low nibble) and minimum (high nibble) per 16 elements, 64 bytes of 2-bit codes,
/// d, m. A byte of codes holds elements 32 apart.
pub fn q2_k(blocks: &[u8], out: &mut [f32]) {
    each::<84, 256>(blocks, out, |block, out| {
        let (d, m) = (half(block, 80), half(block, 82));
        for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = d * f32::from(block[group] & 15);
            let minimum = m * f32::from(block[group] >> 4);
            let (codes, shift) = two_bits(&block[16..80], group);
            for (out, byte) in out.iter_mut().zip(codes) {
                *out = scale * f32::from(byte >> shift & 3) - minimum;
            }
        }
    });
}

/// Returns the 16 bytes that hold a group's 2-bit codes, and their shift. 32 bytes serve 128 elements.
fn two_bits(codes: &[u8], group: usize) -> (&[u8], usize) {
    let (half, part) = (group / 8, group % 2);
    let start = 32 * half + 16 * part;
    (&codes[start..start + 16], 2 * (group / 2 % 4))
}

/// Decodes 32 bytes of third bits, 64 bytes of 2-bit codes as in Q2_K, 12 bytes with sixteen 6-bit scales
/// (low nibbles in 8 bytes, high pairs in 4), d. A clear third bit subtracts 4.
pub fn q3_k(blocks: &[u8], out: &mut [f32]) {
    each::<110, 256>(blocks, out, |block, out| {
        let d = half(block, 108);
        let packed = &block[96..108];
        for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let low = packed[group % 8] >> (4 * (group / 8)) & 15;
            let high = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
            let scale = d * (i32::from(low | high << 4) - 32) as f32;
            let (codes, shift) = two_bits(&block[32..96], group);
            let third = &block[16 * (group % 2)..][..16];
            let mask = 1 << (group / 2);
            for ((out, byte), bits) in out.iter_mut().zip(codes).zip(third) {
                let offset = if bits & mask == 0 { 4 } else { 0 };
                *out = scale * (i32::from(byte >> shift & 3) - offset) as f32;
            }
        }
    });
}

/// Returns the 6-bit scale and minimum of each 32 elements, out of 12 bytes.
fn scales_and_minimums(packed: &[u8]) -> [(u8, u8); 8] {
    std::array::from_fn(|j| {
        if j < 4 {
            (packed[j] & 63, packed[j + 4] & 63)
        } else {
            (packed[j + 4] & 15 | (packed[j - 4] >> 6) << 4, packed[j + 4] >> 4 | (packed[j] >> 6) << 4)
        }
    })
}

/// Decodes blocks of 256 elements: d, m, 12 bytes of scales and minimums, 32 bytes of fifth bits if there are `FIFTH`
/// bits (bit j of byte i % 32 is element 32 j + i's), and 128 bytes of nibbles, of which 32 serve 64 elements.
pub fn super_nibbles<const BYTES: usize, const FIFTH: bool>(blocks: &[u8], out: &mut [f32]) {
    each::<BYTES, 256>(blocks, out, |block, out| {
        let (d, m) = (half(block, 0), half(block, 2));
        let scales = scales_and_minimums(&block[4..16]);
        for (j, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (scale, minimum) = (d * f32::from(scales[j].0), m * f32::from(scales[j].1));
            let codes = &block[BYTES - 128 + 32 * (j / 2)..][..32];
            let (shift, mask) = (4 * (j % 2), 1 << j);
            for ((out, byte), bits) in out.iter_mut().zip(codes).zip(&block[16..48]) {
                let high = if FIFTH && bits & mask != 0 { 16 } else { 0 };
                *out = scale * f32::from(byte >> shift & 15 | high) - minimum;
            }
        }
    });
}

/// Decodes 128 bytes of nibbles, 64 bytes of high pairs, 16 signed scales, d. Of each 128 elements, 64 bytes
/// hold the nibbles and 32 the pairs.
pub fn q6_k(blocks: &[u8], out: &mut [f32]) {
    each::<210, 256>(blocks, out, |block, out| {
        let d = half(block, 208);
        for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = d * f32::from(block[192 + group] as i8);
            let (c, r) = (group / 8, 16 * (group % 8));
            let low = &block[64 * c + r % 64..][..16];
            let high = &block[128 + 32 * c + r % 32..][..16];
            let (low_shift, high_shift) = (4 * (r / 64), 2 * (r / 32));
            for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
                let code = low >> low_shift & 15 | (high >> high_shift & 3) << 4;
                *out = scale * (i32::from(code) - 32) as f32;
            }
        }
    });
}
