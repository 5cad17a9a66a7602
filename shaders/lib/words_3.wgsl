// Codes of 3 bits in storage, 16 bytes at a load: a block of 128 is 3 of them, a unit of 32 a quarter.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

fn word_at(at: u32) -> u32 { return code_words[at / 4u][at % 4u]; }
fn load_unit(at: u32) -> Unit { return vec3(word_at(at * 3u), word_at(at * 3u + 1u), word_at(at * 3u + 2u)); }

// The words of codes 8 j to 8 j + 7 of unit number `at`, and the codes in them: bits 24 j to 24 j + 23, of which the last
// eight codes end a word.
fn load_eight(at: u32, j: u32) -> vec2<u32> {
    let word = at * 3u + j * 24u / 32u;
    return vec2(word_at(word), word_at(min(word + 1u, at * 3u + 2u)));
}
fn eight_codes(words: vec2<u32>, j: u32) -> array<vec4<f32>, 2> {
    let shift = j * 24u % 32u;
    // Two shifts, because one by 32 is none.
    let bits = (words.x >> shift) | ((words.y << (31u - shift)) << 1u);
    return array(split(bits), split(bits >> 12u));
}

fn load_block(at: u32) -> Block {
    var block: Block;
    for (var i = 0u; i < 3u; i++) { block[i] = code_words[at * 3u + i]; }
    return block;
}
