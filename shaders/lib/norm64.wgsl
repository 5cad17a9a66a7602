// lib/norm.wgsl where x is read as f32 pairs. Append to lib/u64.wgsl.

override NORMED: u32 = 0u; // flags bit 5, for the compiler

fn is_normed() -> bool { return NORMED == 1u; }

// The row of x that is multiplied for row m of y.
fn x_row(m: u32) -> u32 { return select(m, params.m + m, is_normed()); }

fn norm_scale(squares: f32) -> f32 { return 1.0 / sqrt(squares / f32(params.k) + params.eps); }

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
