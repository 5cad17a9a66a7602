// Keys and values of the cache for attention that also writes those of its row: f16, two a word, the first in the low half.
// Append to lib/f16_round.wgsl.

@group(0) @binding(5) var<storage, read_write> k: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> v: array<vec2<u32>>;

// Four neighbours as the cache holds them, and their values.
alias Cached = vec2<u32>;
fn widened(quad: Cached) -> vec4<f32> { return vec4(unpack2x16float(quad.x), unpack2x16float(quad.y)); }

fn halves_of(quad: vec4<f32>) -> vec2<u32> {
    let bits = f16_bits(quad);
    return bits.xz | (bits.yw << vec2(16u));
}

fn put_key(at: u32, quad: vec4<f32>) { k[at] = halves_of(quad); }
fn put_value(at: u32, quad: vec4<f32>) { v[at] = halves_of(quad); }
