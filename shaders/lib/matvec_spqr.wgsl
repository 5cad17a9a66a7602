// What matvecs by SpQR weights share: w as in lib/weights_spqr.wgsl. Append to lib/group_spqr.wgsl.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> sparse: array<vec4<u32>>;

// 32 columns of x, and the sums of either half of them.
struct Columns { x: array<vec4<f32>, 8>, total_a: f32, total_b: f32 }

fn load_columns(m: u32, i: u32) -> Columns {
    var xs: array<vec4<f32>, 8>;
    for (var j = 0u; j < 8u; j++) { xs[j] = x[(m * (params.k / 32u) + i) * 8u + j]; }
    return Columns(xs, dot(xs[0] + xs[1] + xs[2] + xs[3], vec4(1.0)), dot(xs[4] + xs[5] + xs[6] + xs[7], vec4(1.0)));
}

// Which groups the halves of unit i are in: one of 32 or more, or two.
fn groups_of(i: u32) -> vec2<u32> { return vec2(i * 32u, i * 32u + 16u) / vec2(params.group); }

// Unit i of eight rows times x, without outliers; a and b are what the rows have of its halves.
fn eight_sums(stripe: u32, i: u32, xs: Columns, a: Group, b: Group) -> array<vec4<f32>, 2> {
    var sums: array<vec4<f32>, 2>;
    for (var r = 0u; r < 8u; r++) {
        let unit = load_unit((stripe * 8u + r) * (params.k / 32u) + i);
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

fn row_start(n: u32) -> u32 { return sparse[n / 4u][n % 4u]; }

// Four outliers, whole fours from the first of all on.
fn four_outliers(four: u32) -> vec4<u32> { return sparse[params.n / 4u + 1u + four]; }

fn times_x(outlier: u32, m: u32) -> f32 {
    let column = m * params.k + (outlier & 0xffffu);
    return unpack2x16float(outlier).y * x[column / 4u][column % 4u];
}

// The product of outlier `at`, if it is one of the rows that start at `start` or of a later one.
fn from_start(product: f32, at: u32, start: vec4<u32>) -> vec4<f32> {
    return select(vec4(0.0), vec4(product), vec4(i32(at)) >= vec4<i32>(start));
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
