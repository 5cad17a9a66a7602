// Codes of 5 bits in storage, 16 bytes at a load: a block of 128 is 5 of them, a unit of 32 a quarter.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

fn word_at(at: u32) -> u32 { return code_words[at / 4u][at % 4u]; }
fn load_unit(at: u32) -> Unit {
    let i = at * 5u;
    return Unit(vec4(word_at(i), word_at(i + 1u), word_at(i + 2u), word_at(i + 3u)), word_at(i + 4u));
}

// The words of codes 8 j to 8 j + 7 of unit number `at`, and the codes in them: bits 40 j to 40 j + 39.
fn load_eight(at: u32, j: u32) -> vec2<u32> {
    let word = at * 5u + j * 40u / 32u;
    return vec2(word_at(word), word_at(word + 1u));
}
fn eight_codes(words: vec2<u32>, j: u32) -> array<vec4<f32>, 2> {
    let shift = j * 40u % 32u; // 0, 8, 16 or 24
    let bits = (words.x >> shift) | ((words.y << (31u - shift)) << 1u);
    // Bits 20 on, of which the last eight are the upper word's, shifted likewise.
    let rest = (bits >> 20u) | ((words.y >> shift) << 12u);
    return array(split(bits), split(rest));
}

fn load_block(at: u32) -> Block {
    var block: Block;
    for (var i = 0u; i < 5u; i++) { block[i] = code_words[at * 5u + i]; }
    return block;
}
