// w[n, k] = s * (code[n, k] - z) + outlier[n, k]: the first term, and where the second is. Append to lib/group_spqr.wgsl, which
// says what s and z are.
// sparse: where each row's outliers start and the last one's end, n + 1 of n + 4 words, then the outliers
// by rows and columns: the column in the low half, the value in f16 in the high one.

@group(0) @binding(5) var<storage, read> sparse: array<u32>;

// The words in which weights 8 i to 8 i + 7 of row n lie, and the weights.
struct Loaded { words: vec2<u32>, group: GroupWords }
fn load(n: u32, i: u32) -> Loaded {
    return Loaded(load_eight(first_unit(n) + i / 4u, i % 4u), load_group_words(n / 8u, i * 8u / params.group_size));
}
fn weights(loaded: Loaded, n: u32, i: u32) -> array<vec4<f32>, 2> {
    let codes = eight_codes(loaded.words, i % 4u);
    let group = group_of(loaded.group, n / 8u, i * 8u / params.group_size);
    let scale = scale_of(group, n % 8u);
    let zero = vec4(zero_of(group, n % 8u));
    return array(scale * (codes[0] - zero), scale * (codes[1] - zero));
}

// Returns where the two quads of such weights begin in their run of 32 columns.
fn places(i: u32) -> vec2<u32> { return i % 4u * 8u + vec2(0u, 4u); }
