// Codes of 2 bits, lowest first: a unit of 32 is two words.

@group(0) @binding(2) var<storage, read> code_words: array<vec2<u32>>;

const ZERO_BITS = 2u;
alias Unit = vec2<u32>;

fn load_unit(at: u32) -> Unit { return code_words[at]; }

// Codes 4 j to 4 j + 3 of a unit.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    return vec4<f32>((vec4(unit[j / 4u]) >> (vec4(0u, 2u, 4u, 6u) + 8u * (j % 4u))) & vec4(3u));
}

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit {
    return (unit >> vec2(8u)) | vec2(unit.y << 24u, 0u);
}

// Codes 8 j to 8 j + 7 of unit number `at`.
fn eight_codes(at: u32, j: u32) -> array<vec4<f32>, 2> {
    let word = vec4(code_words[at][j / 2u] >> (16u * (j % 2u)));
    let shifts = vec4(0u, 2u, 4u, 6u);
    return array(vec4<f32>((word >> shifts) & vec4(3u)), vec4<f32>((word >> (shifts + 8u)) & vec4(3u)));
}
