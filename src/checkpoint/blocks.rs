//! Decoders of the storage types, bit for bit those of gguf-py (its `quants.py`).
//!
//! Each takes whole blocks and writes every element. Products are in the order the reference takes
//! them, since f32 rounding depends on it. Loops run over fixed-size arrays without early exits, so
//! the compiler vectorizes them. `d` and `m` are a block's f16 scale and minimum.

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

/// The f16 at byte `at`.
fn half(block: &[u8], at: usize) -> f32 {
    widen(u16::from_le_bytes([block[at], block[at + 1]]))
}

/// f16 to f32. Its exponent and mantissa, read as those of an f32, are 2^112 too small; the
/// product repairs that exactly, subnormals included.
fn widen(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let scaled = f32::from_bits(magnitude) * f32::from_bits(0x7780_0000);
    let not_finite = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(scaled.to_bits() | not_finite | u32::from(bits & 0x8000) << 16)
}

pub fn f32(blocks: &[u8], out: &mut [f32]) {
    each::<4, 1>(blocks, out, |block, out| out[0] = f32::from_le_bytes(*block));
}

pub fn f16(blocks: &[u8], out: &mut [f32]) {
    each::<2, 1>(blocks, out, |block, out| {
        out[0] = widen(u16::from_le_bytes(*block));
    });
}

pub fn bf16(blocks: &[u8], out: &mut [f32]) {
    each::<2, 1>(blocks, out, |block, out| {
        out[0] = f32::from_bits(u32::from(u16::from_le_bytes(*block)) << 16);
    });
}

/// d, then 16 bytes: low nibbles are elements 0..16, high nibbles 16..32.
pub fn q4_0(blocks: &[u8], out: &mut [f32]) {
    each::<18, 32>(blocks, out, |block, out| {
        let d = half(block, 0);
        for i in 0..16 {
            let byte = block[2 + i];
            out[i] = d * (i32::from(byte & 15) - 8) as f32;
            out[16 + i] = d * (i32::from(byte >> 4) - 8) as f32;
        }
    });
}

/// d, m, then nibbles as in Q4_0.
pub fn q4_1(blocks: &[u8], out: &mut [f32]) {
    each::<20, 32>(blocks, out, |block, out| {
        let (d, m) = (half(block, 0), half(block, 2));
        for i in 0..16 {
            let byte = block[4 + i];
            out[i] = d * f32::from(byte & 15) + m;
            out[16 + i] = d * f32::from(byte >> 4) + m;
        }
    });
}

/// The fifth bit of each of 32 elements as 0 or 16; bit i of the little-endian word is element i's.
fn fifth_bits(word: &[u8]) -> [u8; 32] {
    let mut bits = [0; 32];
    for (bits, byte) in bits.as_chunks_mut::<8>().0.iter_mut().zip(word) {
        for (k, bit) in bits.iter_mut().enumerate() {
            *bit = if byte & (1 << k) == 0 { 0 } else { 16 };
        }
    }
    bits
}

/// d, 4 bytes of fifth bits, then nibbles as in Q4_0.
pub fn q5_0(blocks: &[u8], out: &mut [f32]) {
    each::<22, 32>(blocks, out, |block, out| {
        let d = half(block, 0);
        let high = fifth_bits(&block[2..6]);
        for i in 0..16 {
            let byte = block[6 + i];
            out[i] = d * (i32::from(byte & 15 | high[i]) - 16) as f32;
            out[16 + i] = d * (i32::from(byte >> 4 | high[16 + i]) - 16) as f32;
        }
    });
}

/// d, m, 4 bytes of fifth bits, then nibbles as in Q4_0.
pub fn q5_1(blocks: &[u8], out: &mut [f32]) {
    each::<24, 32>(blocks, out, |block, out| {
        let (d, m) = (half(block, 0), half(block, 2));
        let high = fifth_bits(&block[4..8]);
        for i in 0..16 {
            let byte = block[8 + i];
            out[i] = d * f32::from(byte & 15 | high[i]) + m;
            out[16 + i] = d * f32::from(byte >> 4 | high[16 + i]) + m;
        }
    });
}

/// d, then 32 signed bytes.
pub fn q8_0(blocks: &[u8], out: &mut [f32]) {
    each::<34, 32>(blocks, out, |block, out| {
        let d = half(block, 0);
        for (out, &byte) in out.iter_mut().zip(&block[2..]) {
            *out = d * f32::from(byte as i8);
        }
    });
}

/// 16 bytes of scale (low nibble) and minimum (high nibble) per 16 elements, 64 bytes of 2-bit codes,
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

/// The 16 bytes that hold a group's 2-bit codes, and their shift. 32 bytes serve 128 elements.
fn two_bits(codes: &[u8], group: usize) -> (&[u8], usize) {
    let (half, part) = (group / 8, group % 2);
    let start = 32 * half + 16 * part;
    (&codes[start..start + 16], 2 * (group / 2 % 4))
}

/// 32 bytes of third bits, 64 bytes of 2-bit codes as in Q2_K, 12 bytes with sixteen 6-bit scales
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

/// The 6-bit scale and minimum of each 32 elements, out of 12 bytes.
fn scales_and_minimums(packed: &[u8]) -> [(u8, u8); 8] {
    std::array::from_fn(|j| {
        if j < 4 {
            (packed[j] & 63, packed[j + 4] & 63)
        } else {
            (packed[j + 4] & 15 | (packed[j - 4] >> 6) << 4, packed[j + 4] >> 4 | (packed[j] >> 6) << 4)
        }
    })
}

/// d, m, 12 bytes of scales and minimums, 128 bytes of nibbles: 32 bytes serve 64 elements.
pub fn q4_k(blocks: &[u8], out: &mut [f32]) {
    each::<144, 256>(blocks, out, |block, out| {
        let (d, m) = (half(block, 0), half(block, 2));
        let scales = scales_and_minimums(&block[4..16]);
        for (j, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (scale, minimum) = (d * f32::from(scales[j].0), m * f32::from(scales[j].1));
            let codes = &block[16 + 32 * (j / 2)..][..32];
            let shift = 4 * (j % 2);
            for (out, byte) in out.iter_mut().zip(codes) {
                *out = scale * f32::from(byte >> shift & 15) - minimum;
            }
        }
    });
}

/// Q4_K with 32 bytes of fifth bits before the nibbles: bit j of byte i % 32 is element 32 j + i's.
pub fn q5_k(blocks: &[u8], out: &mut [f32]) {
    each::<176, 256>(blocks, out, |block, out| {
        let (d, m) = (half(block, 0), half(block, 2));
        let scales = scales_and_minimums(&block[4..16]);
        let fifth = &block[16..48];
        for (j, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (scale, minimum) = (d * f32::from(scales[j].0), m * f32::from(scales[j].1));
            let codes = &block[48 + 32 * (j / 2)..][..32];
            let shift = 4 * (j % 2);
            let mask = 1 << j;
            for ((out, byte), bits) in out.iter_mut().zip(codes).zip(fifth) {
                let high = if bits & mask == 0 { 0 } else { 16 };
                *out = scale * f32::from(byte >> shift & 15 | high) - minimum;
            }
        }
    });
}

/// 128 bytes of nibbles, 64 bytes of high pairs, 16 signed scales, d. Of each 128 elements, 64 bytes
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

#[cfg(test)]
mod tests {
    #[test]
    fn widen_agrees_with_the_half_crate_on_every_f16() {
        for bits in 0..=u16::MAX {
            let expected = half::f16::from_bits(bits).to_f32();
            let widened = super::widen(bits);
            assert!(
                widened.to_bits() == expected.to_bits() || widened.is_nan() && expected.is_nan(),
                "{bits:#06x}: {widened} against {expected}"
            );
        }
    }
}
