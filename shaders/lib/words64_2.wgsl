// Codes of 2 bits in storage, 32 bytes at a load. Append to lib/u64.wgsl.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u64>>;

fn load_block(at: u32) -> Block {
    let words = code_words[at];
    return Block(halves(words.xy), halves(words.zw));
}
