// Codes of 6 bits in storage, 16 bytes at a load: a block of 128 is 6 of them, a unit of 32 a quarter.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

fn word_at(at: u32) -> u32 { return code_words[at / 4u][at % 4u]; }
fn load_unit(at: u32) -> Unit {
    let i = at * 6u;
    return Unit(vec3(word_at(i), word_at(i + 1u), word_at(i + 2u)),
                vec3(word_at(i + 3u), word_at(i + 4u), word_at(i + 5u)));
}

// The words of codes 8 j to 8 j + 7 of unit number `at`, and the codes in them: bits 48 j to 48 j + 47.
fn load_eight(at: u32, j: u32) -> vec2<u32> {
    let word = at * 6u + j * 48u / 32u;
    return vec2(word_at(word), word_at(word + 1u));
}
fn eight_codes(words: vec2<u32>, j: u32) -> array<vec4<f32>, 2> {
    let shift = j * 48u % 32u; // 0 or 16
    let first = (words.x >> shift) | ((words.y << (31u - shift)) << 1u);
    let second = select(words.y >> 8u, (words.x >> 24u) | (words.y << 8u), shift == 0u);
    return array(split(first), split(second));
}

fn load_block(at: u32) -> Block {
    var block: Block;
    for (var i = 0u; i < 6u; i++) { block[i] = code_words[at * 6u + i]; }
    return block;
}
