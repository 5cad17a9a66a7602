// w[n, k] = scale[g, n] * (code[n, k] - zero[g, n]), g = k / group, group a multiple of 32 or all of k.
// Append to a lib/codes_ file, which says how codes are packed in units of 32; a row is padded to whole
// blocks of four units. Scales are f16, two per u32, and zeros ZERO_BITS wide, both [k / group, rows()].

@group(0) @binding(3) var<storage, read> scales: array<u32>;
@group(0) @binding(4) var<storage, read> zeros: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

const QUADS = 8u; // of x that dot_unit takes

// Rows of scales and zeros: n in whole words of zeros.
fn rows() -> u32 { return (params.n + 31u) & ~31u; }

// The number of row n's first unit.
fn first_unit(n: u32) -> u32 { return n * ((params.k + 127u) / 128u * 4u); }

fn scale_at(at: u32) -> f32 { return unpack2x16float(scales[at / 2u])[at % 2u]; }

fn zero_at(at: u32) -> f32 {
    return f32(extractBits(zeros[at / (32u / ZERO_BITS)], at % (32u / ZERO_BITS) * ZERO_BITS, ZERO_BITS));
}

// Weights 8 i to 8 i + 7 of row n.
fn weights(n: u32, i: u32) -> array<vec4<f32>, 2> {
    let at = i * 8u / params.group_size * rows() + n;
    let codes = eight_codes(first_unit(n) + i / 4u, i % 4u);
    let scale = scale_at(at);
    let zero = vec4(zero_at(at));
    return array(scale * (codes[0] - zero), scale * (codes[1] - zero));
}

// The sum of w * x over unit i, the columns from 32 i on, of row n; total is the sum of those x.
// One product with the zero, in place of 32 differences.
fn dot_unit(n: u32, i: u32, xs: array<vec4<f32>, 8>, total: f32) -> f32 {
    let at = i * 32u / params.group_size * rows() + n;
    let unit = load_unit(first_unit(n) + i);
    var sum = vec4<f32>();
    for (var j = 0u; j < 8u; j++) { sum += four_codes(unit, j) * xs[j]; }
    return scale_at(at) * (dot(sum, vec4(1.0)) - zero_at(at) * total);
}
