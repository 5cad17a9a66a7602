// y[m, n] = sum_k x[m, k] * w[n, k] by LLM.int8() (Dettmers et al., 2022), where the product rounds x itself: what a lane does
// of it. As in int8_quantize.wgsl, with x rounded to f16 and scale[m] the largest |x[m, k]| that is no outlier,
//   code[m, k] = round(x[m, k] * (127 / scale[m])),
// codes are multiplied exactly, and outliers in f32. Append to lib/int8_sums.wgsl, lib/f16_round.wgsl and
// lib/int8_factor.wgsl. A workgroup owns TILE = 8 neighbouring n of one m. Its lanes share k in units of 16 columns.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

override WG: u32 = 128u;

const ROWS = 8u;

// Sums over eight rows of w: exact ones of codes, and those of outliers times codes.
struct Sums { products: array<vec4<i32>, 2>, outliers: array<vec4<f32>, 2> }

// Floats that are not negative are in the order of their bits, and above them what is no number.
fn magnitude(v: vec4<f32>) -> vec4<u32> { return bitcast<vec4<u32>>(v) & vec4(0x7fffffffu); }

// Which are outliers: threshold is the least f32 whose f16 is one.
fn is_outlier(v: vec4<f32>) -> vec4<bool> { return magnitude(v) >= vec4(bitcast<u32>(params.threshold)); }

// As bits: the largest |x| that is no outlier, and the largest of all.
struct Largest { kept: u32, all: u32 }

fn larger(a: Largest, b: Largest) -> Largest { return Largest(max(a.kept, b.kept), max(a.all, b.all)); }

fn largest_of(v: vec4<f32>) -> Largest {
    let all = magnitude(v);
    let kept = select(all, vec4(0u), is_outlier(v));
    return Largest(max(max(kept.x, kept.y), max(kept.z, kept.w)), max(max(all.x, all.y), max(all.z, all.w)));
}

// Finds them in the part of a row that a lane reads. Four loads go out before the first is waited for.
fn lane_largest(m: u32, lane: u32) -> Largest {
    let quads = params.k / 4u;
    var most: Largest;
    for (var q = lane; q < quads; q += 4u * WG) {
        let at = m * quads + min(vec4(q, q + WG, q + 2u * WG, q + 3u * WG), vec4(quads - 1u));
        let a = x[at.x];
        let b = x[at.y];
        let c = x[at.z];
        let d = x[at.w];
        most = larger(most, larger(larger(largest_of(a), largest_of(b)), larger(largest_of(c), largest_of(d))));
    }
    return most;
}

// The scale as the bits of an f32: rounding keeps the order, so that of the largest is the largest.
fn scale_of(largest: Largest) -> u32 { return f16_magnitude(vec4(bitcast<f32>(largest.kept))).x; }

// The codes of a quad, 0 for outliers.
fn codes_of(v: vec4<f32>, to_code: f32) -> u32 {
    // The sign is above the bits that rounding changes. Below 2^-14 f16 holds whole multiples of 2^-24.
    let normal = bitcast<vec4<f32>>(f16_normal(bitcast<vec4<u32>>(v)));
    let rounded = select(normal, round(v * 0x1p24) * 0x1p-24, abs(v) < vec4(0x1p-14));
    let code = round(select(vec4(0.0), rounded, abs(v) < vec4(params.threshold)) * to_code);
    // Whole numbers below 2^22 lie in the low bits of their sum with 1.5 * 2^23: an addition in place of a conversion. Two
    // codes are one such number.
    let pairs = bitcast<vec2<u32>>(fma(code.yw, vec2(256.0), code.xz) + vec2(0x1.8p23));
    let sum = pairs.x + (pairs.y << 16u) - bitcast<u32>(0x1.8p23);
    // A sum of codes times powers of 256 becomes bytes: 128 more each, so that none borrows of the next, and the bit of
    // 128 turned.
    return (sum + 0x80808080u) ^ 0x80808080u;
}

// Adds the outliers of quad q of columns, v.
fn add_outliers(v: vec4<f32>, q: u32, n0: u32, sums: ptr<function, Sums>) {
    let bits = select(vec4(0u), vec4(1u, 2u, 4u, 8u), is_outlier(v));
    for (var left = bits.x | bits.y | bits.z | bits.w; left != 0u; left &= left - 1u) {
        let c = firstTrailingBit(left);
        let rounded = f16_magnitude(vec4(v[c])).x;
        let value = select(bitcast<f32>(rounded | (bitcast<u32>(v[c]) & 0x80000000u)), v[c], rounded >= F16_INFINITY);
        for (var r = 0u; r < ROWS; r++) {
            let word = code_words[min(n0 + r, params.n - 1u) * (params.k / 16u) + q / 4u][q % 4u];
            (*sums).outliers[r / 4u][r % 4u] += value * bytes(word)[c];
        }
    }
}

// Adds up a lane's part of rows n0 to n0 + 7. All loads of a unit go out before the first is used.
fn lane_sums(m: u32, n0: u32, lane: u32, largest: Largest) -> Sums {
    let units = params.k / 16u;
    let first = min(vec4(n0) + vec4(0u, 1u, 2u, 3u), vec4(params.n - 1u)) * units;
    let second = min(vec4(n0) + vec4(4u, 5u, 6u, 7u), vec4(params.n - 1u)) * units;
    let to_code = factor(scale_of(largest));
    var sums: Sums;
    for (var i = lane; i < units; i += WG) {
        let q = (m * units + i) * 4u;
        let a = x[q];
        let b = x[q + 1u];
        let c = x[q + 2u];
        let d = x[q + 3u];
        let w0 = code_words[first.x + i];
        let w1 = code_words[first.y + i];
        let w2 = code_words[first.z + i];
        let w3 = code_words[first.w + i];
        let w4 = code_words[second.x + i];
        let w5 = code_words[second.y + i];
        let w6 = code_words[second.z + i];
        let w7 = code_words[second.w + i];
        let codes = vec4(codes_of(a, to_code), codes_of(b, to_code), codes_of(c, to_code), codes_of(d, to_code));
        sums.products[0] += vec4(dot16(codes, w0), dot16(codes, w1), dot16(codes, w2), dot16(codes, w3));
        sums.products[1] += vec4(dot16(codes, w4), dot16(codes, w5), dot16(codes, w6), dot16(codes, w7));
    }
    if (largest.all >= bitcast<u32>(params.threshold)) {
        for (var i = lane; i < units; i += WG) {
            let q = 4u * i;
            let at = m * units * 4u + q;
            let quads = array(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
            for (var j = 0u; j < 4u; j++) { add_outliers(quads[j], q + j, n0, &sums); }
        }
    }
    return sums;
}

// Stores row n.
fn store_sums(m: u32, n: u32, products: i32, outliers: f32, largest: Largest) {
    store_row(m, n, value_of(products, outliers, bitcast<f32>(scale_of(largest)), n));
}
