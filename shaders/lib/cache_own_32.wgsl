// Keys and values of the cache for attention that also writes those of its row: f32.

@group(0) @binding(5) var<storage, read_write> k: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> v: array<vec4<f32>>;

// Four neighbours as the cache holds them, and their values.
alias Cached = vec4<f32>;
fn widened(quad: Cached) -> vec4<f32> { return quad; }

fn put_key(at: u32, quad: vec4<f32>) { k[at] = quad; }
fn put_value(at: u32, quad: vec4<f32>) { v[at] = quad; }
