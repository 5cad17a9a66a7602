// Keys and values into the cache, a pair at a time: f32.

@group(0) @binding(6) var<storage, read_write> k_cache: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> v_cache: array<vec2<f32>>;

// Puts the pairs of x at `first` and `second`.
fn put_key(x: vec4<f32>, first: u32, second: u32) {
    k_cache[first] = x.xy;
    k_cache[second] = x.zw;
}

fn put_value(x: vec4<f32>, first: u32, second: u32) {
    v_cache[first] = x.xy;
    v_cache[second] = x.zw;
}
