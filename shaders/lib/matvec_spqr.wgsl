// What matvecs by SpQR weights share where lanes walk k side by side: w as in lib/weights_spqr.wgsl. Append to
// lib/outliers_spqr.wgsl, lib/group_spqr.wgsl and a lib/words_ file.

// 32 columns of x, and the sums of either half of them.
struct Columns { x: array<vec4<f32>, 8>, total_a: f32, total_b: f32 }

fn load_columns(m: u32, i: u32) -> Columns {
    var xs: array<vec4<f32>, 8>;
    for (var j = 0u; j < 8u; j++) { xs[j] = x[(m * (params.k / 32u) + i) * 8u + j]; }
    return Columns(xs, dot(xs[0] + xs[1] + xs[2] + xs[3], vec4(1.0)), dot(xs[4] + xs[5] + xs[6] + xs[7], vec4(1.0)));
}

// Which groups the halves of unit i are in: one of 32 or more, or two.
fn groups_of(i: u32) -> vec2<u32> { return vec2(i * 32u, i * 32u + 16u) / vec2(params.group_size); }

// Unit i of eight rows times x, without outliers; a and b are what the rows have of its halves.
fn eight_sums(stripe: u32, i: u32, xs: Columns, a: Group, b: Group) -> array<vec4<f32>, 2> {
    var sums: array<vec4<f32>, 2>;
    for (var r = 0u; r < 8u; r++) {
        let unit = load_unit(first_unit(stripe * 8u + r) + i);
        var sum_a: vec4<f32>;
        var sum_b: vec4<f32>;
        for (var j = 0u; j < 4u; j++) {
            sum_a += four_codes(unit, j) * xs.x[j];
            sum_b += four_codes(unit, j + 4u) * xs.x[j + 4u];
        }
        sums[r / 4u][r % 4u] = scale_of(a, r) * (dot(sum_a, vec4(1.0)) - zero_of(a, r) * xs.total_a)
                             + scale_of(b, r) * (dot(sum_b, vec4(1.0)) - zero_of(b, r) * xs.total_b);
    }
    return sums;
}

// What `lanes` lanes add up of eight rows.
fn partial_sums(m: u32, stripe: u32, lane: u32, lanes: u32) -> array<vec4<f32>, 2> {
    var acc: array<vec4<f32>, 2>;
    for (var i = lane; i < params.k / 32u; i += lanes) {
        let groups = groups_of(i);
        let sums = eight_sums(stripe, i, load_columns(m, i), load_group(stripe, groups.x), load_group(stripe, groups.y));
        acc[0] += sums[0];
        acc[1] += sums[1];
    }
    // The outliers of the rows lie one behind the other; a product less itself is nothing, exactly.
    let start = array(sparse[stripe * 2u], sparse[stripe * 2u + 1u]);
    let end = row_start(stripe * 8u + 8u);
    for (var four = start[0].x / 4u + lane; four < (end + 3u) / 4u; four += lanes) {
        let entries = four_outliers(four);
        for (var e = 0u; e < 4u; e++) {
            let at = four * 4u + e;
            let product = times_x(entries[e], m);
            let from_0 = from_start(product, at, start[0]);
            let from_4 = from_start(product, at, start[1]);
            let beyond = from_start(product, at, vec4(end));
            acc[0] += from_0 - vec4(from_0.yzw, from_4.x);
            acc[1] += from_4 - vec4(from_4.yzw, beyond.x);
        }
    }
    return acc;
}
