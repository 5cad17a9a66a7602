// f32 as f16 would hold it, ties to even, by integers alone: pack2x16float may round as it likes, and
// compilers may assume that no value is infinite.

const F16_INFINITY = 0x47800000u; // all of it and above: what f16 cannot hold

// The bits of |v| rounded to f16, as an f32.
fn f16_magnitude(v: vec4<f32>) -> vec4<u32> {
    let a = bitcast<vec4<u32>>(v) & vec4(0x7fffffffu);
    let normal = (a + vec4(0xfffu) + ((a >> vec4(13u)) & vec4(1u))) & vec4(0xffffe000u);
    // Below 2^-14 f16 holds whole multiples of 2^-24.
    let mantissa = (a & vec4(0x7fffffu)) | vec4(0x800000u);
    let shift = clamp(vec4(126u) - (a >> vec4(23u)), vec4(1u), vec4(25u));
    let half = vec4(1u) << (shift - vec4(1u));
    let multiple = (mantissa + half - vec4(1u) + ((mantissa >> shift) & vec4(1u))) >> shift;
    return select(normal, bitcast<vec4<u32>>(vec4<f32>(multiple) * 0x1p-24), a < vec4(0x38800000u));
}
