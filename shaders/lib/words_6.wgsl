// Codes of 6 bits in storage, 16 bytes at a load: a block of 128 is 6 of them, a unit of 32 a quarter.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

fn word_at(at: u32) -> u32 { return code_words[at / 4u][at % 4u]; }
fn load_unit(at: u32) -> Unit {
    let i = at * 6u;
    return Unit(vec3(word_at(i), word_at(i + 1u), word_at(i + 2u)),
                vec3(word_at(i + 3u), word_at(i + 4u), word_at(i + 5u)));
}

// Codes 8 j to 8 j + 7 of unit number `at`: bits 48 j to 48 j + 47.
fn eight_codes(at: u32, j: u32) -> array<vec4<f32>, 2> {
    let word = at * 6u + j * 48u / 32u;
    let shift = j * 48u % 32u; // 0 or 16
    let low = word_at(word);
    let high = word_at(word + 1u);
    let first = (low >> shift) | ((high << (31u - shift)) << 1u);
    let second = select(high >> 8u, (low >> 24u) | (high << 8u), shift == 0u);
    return array(split(first), split(second));
}

fn load_block(at: u32) -> Block {
    var block: Block;
    for (var i = 0u; i < 6u; i++) { block[i] = code_words[at * 6u + i]; }
    return block;
}
