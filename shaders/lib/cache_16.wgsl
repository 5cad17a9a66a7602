// Keys and values of the cache as attention reads them: f16, two a word, the first in the low half.

@group(0) @binding(4) var<storage, read> k: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read> v: array<vec2<u32>>;

// Four neighbours as the cache holds them, and their values.
alias Cached = vec2<u32>;
fn widened(quad: Cached) -> vec4<f32> { return vec4(unpack2x16float(quad.x), unpack2x16float(quad.y)); }

fn key_quad(at: u32) -> vec4<f32> { return widened(k[at]); }
fn value_quad(at: u32) -> vec4<f32> { return widened(v[at]); }

// Number `at` of the values.
fn value_at(at: u32) -> f32 {
    let pair = unpack2x16float(v[at / 4u][at / 2u % 2u]);
    return select(pair.x, pair.y, at % 2u == 1u);
}
