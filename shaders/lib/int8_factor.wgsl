// The factor of x before LLM.int8() rounds it.

// 127 / scale, rounded to even, exactly: scale has the eleven bits of an f16, division in WGSL may be off.
fn factor(scale: u32) -> f32 {
    if (scale == 0u) { return 0.0; }
    let divisor = ((scale & 0x7fffffu) | 0x800000u) >> 13u;
    let quotient = (127u << 24u) / divisor;
    let rest = ((127u << 24u) - quotient * divisor) << 8u;
    let fine = quotient * 256u + rest / divisor;
    // 28 or 29 bits and whether something is left; 24 of them stay.
    let bits = fine | select(0u, 1u, rest % divisor != 0u);
    let shift = 8u - countLeadingZeros(bits);
    let rounded = (bits + (1u << (shift - 1u)) - 1u + ((bits >> shift) & 1u)) >> shift;
    return f32(rounded) * bitcast<f32>((shift + 232u - (scale >> 23u)) << 23u);
}
