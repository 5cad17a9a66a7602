// Codes of 5 bits in storage, 16 bytes at a load. Append to lib/u64.wgsl.

@group(0) @binding(2) var<storage, read> code_words: array<vec2<u64>>;

fn load_block(at: u32) -> Block {
    var block: Block;
    for (var i = 0u; i < 5u; i++) { block[i] = halves(code_words[at * 5u + i]); }
    return block;
}
