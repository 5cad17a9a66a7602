// Codes of 8 bits, lowest first: a unit of 32 is eight words.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

const ZERO_BITS = 8u;
struct Unit { a: vec4<u32>, b: vec4<u32> }

fn load_unit(at: u32) -> Unit { return Unit(code_words[at * 2u], code_words[at * 2u + 1u]); }

// Codes 4 j to 4 j + 3 of a unit.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    return bytes(select(unit.a[j % 4u], unit.b[j % 4u], j >= 4u));
}

fn bytes(word: u32) -> vec4<f32> { return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)); }

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit { return Unit(vec4(unit.a.yzw, unit.b.x), vec4(unit.b.yzw, 0u)); }

// Codes 8 j to 8 j + 7 of unit number `at`.
fn eight_codes(at: u32, j: u32) -> array<vec4<f32>, 2> {
    let words = code_words[at * 2u + j / 2u];
    return array(bytes(words[j % 2u * 2u]), bytes(words[j % 2u * 2u + 1u]));
}
