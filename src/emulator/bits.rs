//! Fields of bits in a word, by WGSL's rules for an offset and a count that go beyond it.

/// Returns `count` bits from `offset` on, as a number.
pub fn extract(a: u32, offset: u32, count: u32) -> u32 {
    let offset = offset.min(32);
    let count = count.min(32 - offset);
    if count == 0 { 0 } else { a << (32 - count - offset) >> (32 - count) }
}

/// Returns the same bits as a number with a sign.
pub fn extract_signed(a: u32, offset: u32, count: u32) -> u32 {
    let offset = offset.min(32);
    let count = count.min(32 - offset);
    if count == 0 { 0 } else { ((a << (32 - count - offset)) as i32 >> (32 - count)) as u32 }
}

/// Returns the lowest `count` bits at `offset`, and zeros around them.
pub fn place(a: u32, offset: u32, count: u32) -> u32 {
    extract(a, 0, count).checked_shl(offset).unwrap_or(0)
}
