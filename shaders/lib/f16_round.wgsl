// f32 as f16 would hold it, ties to even, by integers alone: pack2x16float may round as it likes, and
// compilers may assume that no value is infinite.

const F16_INFINITY = 0x47800000u; // all of it and above: what f16 cannot hold

// The bits of |v| rounded to f16, as an f32, where f16 holds it as a normal number.
fn f16_normal(a: vec4<u32>) -> vec4<u32> {
    return (a + vec4(0xfffu) + ((a >> vec4(13u)) & vec4(1u))) & vec4(0xffffe000u);
}

// Below 2^-14 f16 holds whole multiples of 2^-24: the number of them.
fn f16_multiple(a: vec4<u32>) -> vec4<u32> {
    let mantissa = (a & vec4(0x7fffffu)) | vec4(0x800000u);
    let shift = clamp(vec4(126u) - (a >> vec4(23u)), vec4(1u), vec4(25u));
    let half = vec4(1u) << (shift - vec4(1u));
    return (mantissa + half - vec4(1u) + ((mantissa >> shift) & vec4(1u))) >> shift;
}

// The bits of |v| rounded to f16, as an f32.
fn f16_magnitude(v: vec4<f32>) -> vec4<u32> {
    let a = bitcast<vec4<u32>>(v) & vec4(0x7fffffffu);
    return select(f16_normal(a), bitcast<vec4<u32>>(vec4<f32>(f16_multiple(a)) * 0x1p-24), a < vec4(0x38800000u));
}

// The bits of v in f16. What f16 cannot hold becomes its largest value, 65504, and what is not finite no number.
fn f16_bits(v: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(v);
    let a = bits & vec4(0x7fffffffu);
    // The exponent is less by 112.
    let normal = min((f16_normal(a) >> vec4(13u)) - vec4(0x1c000u), vec4(0x7bffu));
    let finite = select(normal, f16_multiple(a), a < vec4(0x38800000u));
    return select(finite, vec4(0x7e00u), a >= vec4(0x7f800000u)) | ((bits >> vec4(16u)) & vec4(0x8000u));
}
