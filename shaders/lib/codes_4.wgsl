// Codes of 4 bits, lowest first: a unit of 32 is four words.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

const ZERO_BITS = 4u;
alias Unit = vec4<u32>;

fn load_unit(at: u32) -> Unit { return code_words[at]; }

// Codes 4 j to 4 j + 3 of a unit.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    return vec4<f32>((vec4(unit[j / 2u]) >> (vec4(0u, 4u, 8u, 12u) + 16u * (j % 2u))) & vec4(15u));
}

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit {
    return (unit >> vec4(16u)) | (vec4(unit.yzw, 0u) << vec4(16u));
}

// Codes 8 j to 8 j + 7 of unit number `at`.
fn eight_codes(at: u32, j: u32) -> array<vec4<f32>, 2> {
    let word = vec4(code_words[at][j]);
    let shifts = vec4(0u, 4u, 8u, 12u);
    return array(vec4<f32>((word >> shifts) & vec4(15u)), vec4<f32>((word >> (shifts + 16u)) & vec4(15u)));
}
