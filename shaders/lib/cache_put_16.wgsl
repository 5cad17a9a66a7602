// Keys and values into the cache, a pair at a time: f16, two a word, the first in the low half. Append to
// lib/f16_round.wgsl, which says what becomes of values that f16 cannot hold.

@group(0) @binding(6) var<storage, read_write> k_cache: array<u32>;
@group(0) @binding(7) var<storage, read_write> v_cache: array<u32>;

fn halves_of(x: vec4<f32>) -> vec2<u32> {
    let bits = f16_bits(x);
    return bits.xz | (bits.yw << vec2(16u));
}

// Puts the pairs of x at `first` and `second`.
fn put_key(x: vec4<f32>, first: u32, second: u32) {
    let halves = halves_of(x);
    k_cache[first] = halves.x;
    k_cache[second] = halves.y;
}

fn put_value(x: vec4<f32>, first: u32, second: u32) {
    let halves = halves_of(x);
    v_cache[first] = halves.x;
    v_cache[second] = halves.y;
}
