// Codes of 8 bits in storage, 32 bytes at a load. Append to lib/u64.wgsl.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u64>>;

fn load_block(at: u32) -> Block {
    var block: Block;
    for (var i = 0u; i < 4u; i++) {
        let words = code_words[at * 4u + i];
        block[2u * i] = halves(words.xy);
        block[2u * i + 1u] = halves(words.zw);
    }
    return block;
}
