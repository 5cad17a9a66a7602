// The squares of a row of x, for the norm in the product that takes it: lib/product_row.wgsl. Append to a file that declares x
// as quads.

// What a lane adds up of the squares of row m of the residual stream. Four loads go out before the first is waited for.
fn lane_squares(m: u32, lane: u32, lanes: u32) -> f32 {
    let quads = params.k / 4u;
    var squares = 0.0;
    for (var q = lane; q < quads; q += 4u * lanes) {
        let at = vec4(q, q + lanes, q + 2u * lanes, q + 3u * lanes);
        let i = m * quads + min(at, vec4(quads - 1u));
        let a = x[i.x];
        let b = x[i.y];
        let c = x[i.z];
        let d = x[i.w];
        let own = select(vec4(0.0), vec4(dot(a, a), dot(b, b), dot(c, c), dot(d, d)), at < vec4(quads));
        squares += (own.x + own.y) + (own.z + own.w);
    }
    return squares;
}
