// lib/norm.wgsl where x is read as f32 pairs. Append to lib/u64.wgsl.

// What a lane adds up of the squares of row m of the residual stream.
fn lane_squares(m: u32, lane: u32, lanes: u32) -> f32 {
    let count = params.k / 8u;
    var squares = 0.0;
    for (var i = lane; i < count; i += lanes) {
        let words = x[m * count + i];
        let a = bitcast<vec4<f32>>(halves(words.xy));
        let b = bitcast<vec4<f32>>(halves(words.zw));
        squares += dot(a, a) + dot(b, b);
    }
    return squares;
}
