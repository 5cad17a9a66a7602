// Codes of 3 bits, one stream of bits, lowest first: a unit of 32 is three words, and some codes lie
// across two.

@group(0) @binding(2) var<storage, read> code_words: array<u32>;

const ZERO_BITS = 4u; // zeros in whole nibbles
alias Unit = vec3<u32>;

fn load_unit(at: u32) -> Unit {
    return vec3(code_words[at * 3u], code_words[at * 3u + 1u], code_words[at * 3u + 2u]);
}

// The low bits of `bits` as codes.
fn split(bits: u32) -> vec4<f32> { return vec4<f32>((vec4(bits) >> vec4(0u, 3u, 6u, 9u)) & vec4(7u)); }

// Codes 4 j to 4 j + 3 of a unit: bits 12 j to 12 j + 11, which only for j = 2 and 5 lie in two words.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    let low = unit[j * 12u / 32u] >> (j * 12u % 32u);
    let high = select(0u, unit[min(j * 12u / 32u + 1u, 2u)] << (32u - j * 12u % 32u), j == 2u || j == 5u);
    return split(low | high);
}

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit {
    return (unit >> vec3(12u)) | (vec3(unit.yz, 0u) << vec3(20u));
}

// Codes 8 j to 8 j + 7 of unit number `at`: bits 24 j to 24 j + 23.
fn eight_codes(at: u32, j: u32) -> array<vec4<f32>, 2> {
    let word = at * 3u + j * 24u / 32u;
    let shift = j * 24u % 32u;
    // Two shifts, because one by 32 is none; the last eight codes end a word.
    let high = (code_words[min(word + 1u, at * 3u + 2u)] << (31u - shift)) << 1u;
    let bits = (code_words[word] >> shift) | high;
    return array(split(bits), split(bits >> 12u));
}
