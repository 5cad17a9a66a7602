// Codes of 3 bits in storage, 16 bytes at a load. Append to lib/u64.wgsl.

@group(0) @binding(2) var<storage, read> code_words: array<vec2<u64>>;

fn load_block(at: u32) -> Block {
    return Block(halves(code_words[at * 3u]), halves(code_words[at * 3u + 1u]), halves(code_words[at * 3u + 2u]));
}
