// Codes of 2 bits in storage, 16 bytes at a load: a block of 128 is 2 of them, a unit of 32 a quarter.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

fn load_unit(at: u32) -> Unit {
    let words = code_words[at / 2u];
    return select(words.xy, words.zw, at % 2u == 1u);
}

// The words of codes 8 j to 8 j + 7 of unit number `at`, and the codes in them.
fn load_eight(at: u32, j: u32) -> vec2<u32> { return vec2(code_words[at / 2u][at % 2u * 2u + j / 2u], 0u); }
fn eight_codes(words: vec2<u32>, j: u32) -> array<vec4<f32>, 2> {
    let word = vec4(words.x >> (16u * (j % 2u)));
    let shifts = vec4(0u, 2u, 4u, 6u);
    return array(vec4<f32>((word >> shifts) & vec4(3u)), vec4<f32>((word >> (shifts + 8u)) & vec4(3u)));
}

fn load_block(at: u32) -> Block {
    var block: Block;
    for (var i = 0u; i < 2u; i++) { block[i] = code_words[at * 2u + i]; }
    return block;
}
