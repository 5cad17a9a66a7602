// w[n, k] = scale[g, n] * (code[n, k] - zero[g, n]), stored as lib/weights_grid.wgsl says, for lib/matvec_subgroup.wgsl.
// A lane has a unit of 32 codes of four rows, of columns that are dealt, so that four lanes read 64 bytes of x in a
// row; all its loads go out before the first is used.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> scales: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> zeros: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

override GROUP: u32 = 4u; // units of a group of columns
override BITS: u32 = 4u;
override ZERO_BITS: u32 = BITS + BITS % 2u;
override FOURS: u32 = 8u / ZERO_BITS; // of zeros in a word

fn four_zeros(at: u32) -> vec4<f32> {
    let word = zeros[at / FOURS] >> (at % FOURS * 4u * ZERO_BITS);
    return vec4<f32>((vec4(word) >> (vec4(0u, 1u, 2u, 3u) * ZERO_BITS)) & vec4((1u << ZERO_BITS) - 1u));
}

fn row_sum(codes: Codes, xs: Quads, x_pairs: vec2<f32>) -> f32 {
    let c = widened(codes);
    return join(second_half(c, xs, first_half(c, xs, begin(x_pairs, 0.0))));
}

fn lane_sums(m: u32, n0: u32, index: u32) -> Sums {
    let units = params.k / 32u;
    let row = four_rows(n0) * row_codes();
    let span = min(GROUP & (~GROUP + 1u), 4u);
    let stats = n0 / 4u * (units / GROUP);
    var sums: vec4<f32>;
    for (var i = index; i < units; i += WG) {
        let q = m * (params.k / 4u) + i / span * span * 8u + i % span;
        let xs = Quads(x[q], x[q + 1u * span], x[q + 2u * span], x[q + 3u * span],
                       x[q + 4u * span], x[q + 5u * span], x[q + 6u * span], x[q + 7u * span]);
        let c0 = load_codes(row.x, i);
        let c1 = load_codes(row.y, i);
        var c2: Codes;
        var c3: Codes;
        if (TILE > 2u) {
            c2 = load_codes(row.z, i);
            c3 = load_codes(row.w, i);
        }
        let words = scales[stats + i / GROUP];
        var scale = vec4(unpack2x16float(words.x), unpack2x16float(words.y));
        var zero = four_zeros(stats + i / GROUP);
        if (TILE == 2u && n0 % 4u == 2u) {
            scale = scale.zwzw;
            zero = zero.zwzw;
        }

        let x_pairs = pairs(xs[0], xs[1], xs[2], xs[3]) + pairs(xs[4], xs[5], xs[6], xs[7]);
        var coded = vec4(row_sum(c0, xs, x_pairs), row_sum(c1, xs, x_pairs), 0.0, 0.0);
        if (TILE > 2u) { coded = vec4(coded.xy, row_sum(c2, xs, x_pairs), row_sum(c3, xs, x_pairs)); }
        sums += scale * (coded - zero * ((x_pairs.x + x_pairs.y) * (1.0 / WHOLE)));
    }
    return Sums(sums * WHOLE, vec4(0.0));
}
