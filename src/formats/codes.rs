//! Codes of 2 to 8 bits in 32-bit words. A row is one little-endian bit stream: the code of column c has bits
//! c · bits to c · bits + bits - 1, as GPTQ files pack them, transposed so that a row is contiguous.

/// Packs rows of codes, `cols` each and `cols · bits` a multiple of 32, into words.
pub fn pack(codes: &[u8], cols: usize, bits: u32) -> Vec<u32> {
    assert_eq!(cols * bits as usize % 32, 0, "rows of whole words");
    let row_words = cols * bits as usize / 32;
    let mut words = vec![0u32; codes.len() / cols * row_words];
    for (codes, words) in codes.chunks_exact(cols).zip(words.chunks_exact_mut(row_words)) {
        codes.iter().enumerate().for_each(|(c, &code)| put(words, c * bits as usize, bits, code));
    }
    words
}

/// Writes `code` of `bits` at bit `at` of a stream that is 0 there.
pub(super) fn put(words: &mut [u32], at: usize, bits: u32, code: u8) {
    let (word, shift) = (at / 32, at as u32 % 32);
    words[word] |= u32::from(code) << shift;
    if shift + bits > 32 {
        words[word + 1] |= u32::from(code) >> (32 - shift);
    }
}

/// Reads `bits` at bit `at` of a stream.
pub(super) fn take(words: &[u32], at: usize, bits: u32) -> u32 {
    let (word, shift) = (at / 32, at as u32 % 32);
    let high = if shift + bits > 32 { words[word + 1] << (32 - shift) } else { 0 };
    (words[word] >> shift | high) & ((1 << bits) - 1)
}

/// Returns code number `at` of a row's words.
pub fn code(words: &[u32], at: usize, bits: u32) -> u32 {
    take(words, at * bits as usize, bits)
}

/// Returns W \[rows, cols\] from `stored(row, stored column)` and the order of the stored columns.
pub(super) fn in_own_order(
    order: Option<&[u32]>,
    rows: usize,
    cols: usize,
    stored: impl Fn(usize, usize) -> f32,
) -> Vec<f32> {
    let mut weight = vec![0.0; rows * cols];
    for (row, weight) in weight.chunks_exact_mut(cols).enumerate() {
        for k in 0..cols {
            weight[order.map_or(k, |order| order[k] as usize)] = stored(row, k);
        }
    }
    weight
}

/// Returns rows of `words` padded with zeros to `stored` words.
pub(super) fn pad_rows(codes: &[u32], words: usize, stored: usize) -> Vec<u32> {
    if stored == words {
        return codes.to_vec();
    }
    codes.chunks_exact(words).flat_map(|row| row.iter().copied().chain(vec![0; stored - words])).collect()
}

/// Returns the words of a row of codes on the device: whole blocks of 128 codes, so that every load is wide.
pub(super) fn code_words(k: usize, bits: u32) -> usize {
    k.div_ceil(128) * 4 * bits as usize
}

/// Calls `take(j, code)` for the 32 codes of a unit of `bits` words.
pub(super) fn unpack(words: &[u32], bits: u32, mut take: impl FnMut(usize, u32)) {
    let mask = (1u64 << bits) - 1;
    match bits {
        3 => {
            let stream = u128::from(words[0]) | u128::from(words[1]) << 32 | u128::from(words[2]) << 64;
            for j in 0..32 {
                take(j, (stream >> (3 * j)) as u32 & 7);
            }
        }
        _ => {
            let per = 32 / bits as usize;
            for (w, &word) in words[..bits as usize].iter().enumerate() {
                for j in 0..per {
                    take(w * per + j, word >> (j as u32 * bits) & mask as u32);
                }
            }
        }
    }
}

/// Returns `n` random words, the same for the same seed.
pub(super) fn random_words(n: usize, seed: u32) -> Vec<u32> {
    use rayon::prelude::*;
    (0..n as u32).into_par_iter().map(|i| crate::plan::kernel::hash(i ^ seed)).collect()
}
