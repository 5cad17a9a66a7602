// What `lanes` lanes add up of eight neighbouring rows, dense part and outliers; append to
// lib/weights_spqr.wgsl and a lib/codes_ file. The rows share x and the words of their statistics.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

fn partial_sums(m: u32, stripe: u32, lane: u32, lanes: u32) -> array<vec4<f32>, 2> {
    let units = params.k / 32u;
    var acc: array<vec4<f32>, 2>;
    for (var i = lane; i < units; i += lanes) {
        var xs: array<vec4<f32>, 8>;
        for (var j = 0u; j < 8u; j++) { xs[j] = x[(m * units + i) * 8u + j]; }
        let total_a = dot(xs[0] + xs[1] + xs[2] + xs[3], vec4(1.0));
        let total_b = dot(xs[4] + xs[5] + xs[6] + xs[7], vec4(1.0));
        // A unit holds one group of 32 or more, or halves of two.
        let group_a = load_group(stripe, i * 32u / params.group);
        let group_b = load_group(stripe, (i * 32u + 16u) / params.group);
        for (var r = 0u; r < 8u; r++) {
            let unit = load_unit((stripe * 8u + r) * units + i);
            var a: vec4<f32>;
            var b: vec4<f32>;
            for (var j = 0u; j < 4u; j++) {
                a += four_codes(unit, j) * xs[j];
                b += four_codes(unit, j + 4u) * xs[j + 4u];
            }
            acc[r / 4u][r % 4u] += scale_of(group_a, r) * (dot(a, vec4(1.0)) - zero_of(group_a, r) * total_a)
                                 + scale_of(group_b, r) * (dot(b, vec4(1.0)) - zero_of(group_b, r) * total_b);
        }
    }

    // The outliers of the eight rows lie one behind the other.
    let low = sparse[stripe * 2u];
    let high = sparse[stripe * 2u + 1u];
    let end = row_start(stripe * 8u + 8u);
    for (var four = low.x / 4u + lane; four < (end + 3u) / 4u; four += lanes) {
        let entries = sparse[params.n / 4u + 1u + four];
        for (var e = 0u; e < 4u; e++) {
            let at = four * 4u + e;
            let column = entries[e] & 0xffffu;
            let product = vec4(unpack2x16float(entries[e]).y * x[m * (units * 8u) + column / 4u][column % 4u]);
            let here = array(vec4(at) >= low & vec4(at) < vec4(low.yzw, high.x),
                             vec4(at) >= high & vec4(at) < vec4(high.yzw, end));
            acc[0] += select(vec4(0.0), product, here[0]);
            acc[1] += select(vec4(0.0), product, here[1]);
        }
    }
    return acc;
}
