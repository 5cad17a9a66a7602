// Codes of 3 bits in storage, 16 bytes at a load. Needs SHADER_INT64.

@group(0) @binding(2) var<storage, read> code_words: array<vec2<u64>>;

fn halves(w: vec2<u64>) -> vec4<u32> {
    return vec4(u32(w.x), u32(w.x >> 32u), u32(w.y), u32(w.y >> 32u));
}

fn load_block(at: u32) -> Block {
    return Block(halves(code_words[at * 3u]), halves(code_words[at * 3u + 1u]), halves(code_words[at * 3u + 2u]));
}
