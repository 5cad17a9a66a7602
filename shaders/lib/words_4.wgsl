// Codes of 4 bits in storage, 16 bytes at a load: a block of 128 is 4 of them, a unit of 32 a quarter.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

fn load_unit(at: u32) -> Unit { return code_words[at]; }

// The words of codes 8 j to 8 j + 7 of unit number `at`, and the codes in them.
fn load_eight(at: u32, j: u32) -> vec2<u32> { return vec2(code_words[at][j], 0u); }
fn eight_codes(words: vec2<u32>, j: u32) -> array<vec4<f32>, 2> {
    let word = vec4(words.x);
    let shifts = vec4(0u, 4u, 8u, 12u);
    return array(vec4<f32>((word >> shifts) & vec4(15u)), vec4<f32>((word >> (shifts + 16u)) & vec4(15u)));
}

fn load_block(at: u32) -> Block {
    var block: Block;
    for (var i = 0u; i < 4u; i++) { block[i] = code_words[at * 4u + i]; }
    return block;
}
