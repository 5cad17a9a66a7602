// Codes of 8 bits in storage, 16 bytes at a load: a block of 128 is 8 of them, a unit of 32 a quarter.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

fn load_unit(at: u32) -> Unit { return Unit(code_words[at * 2u], code_words[at * 2u + 1u]); }

// The words of codes 8 j to 8 j + 7 of unit number `at`, and the codes in them.
fn load_eight(at: u32, j: u32) -> vec2<u32> {
    let words = code_words[at * 2u + j / 2u];
    return select(words.xy, words.zw, j % 2u == 1u);
}
fn eight_codes(words: vec2<u32>, j: u32) -> array<vec4<f32>, 2> { return array(bytes(words.x), bytes(words.y)); }

fn load_block(at: u32) -> Block {
    var block: Block;
    for (var i = 0u; i < 8u; i++) { block[i] = code_words[at * 8u + i]; }
    return block;
}
