// Exact sums of products of codes, and how they become values. Append to lib/weights_int8.wgsl.

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

// The constant is bitsandbytes' 1 / 127^2.
fn value_of(products: i32, outliers: f32, m_scale: f32, n: u32) -> f32 {
    return f32(products) * m_scale * scales[n] * 6.200012e-05 + outliers * scale_at(n);
}
