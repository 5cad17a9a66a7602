// Keys and values of the cache as attention reads them: f32.

@group(0) @binding(4) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> v: array<vec4<f32>>;

// Four neighbours as the cache holds them, and their values.
alias Cached = vec4<f32>;
fn widened(quad: Cached) -> vec4<f32> { return quad; }

fn key_quad(at: u32) -> vec4<f32> { return k[at]; }
fn value_quad(at: u32) -> vec4<f32> { return v[at]; }

// Number `at` of the values.
fn value_at(at: u32) -> f32 { return v[at / 4u][at % 4u]; }
