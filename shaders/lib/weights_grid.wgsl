// w[n, k] = scale[g, n] * (code[n, k] - zero[g, n]), g = k / group, group a multiple of 32 or all of k.
// Append to a lib/codes_ file, which says how codes are packed in units of 32; a row is padded to whole
// blocks of four units. The columns of a span of up to four units, which has one scale, are dealt over its units four at
// a time, so that lanes with neighbouring units read neighbouring x: `quad_of`. Scales are f16, two per u32, and zeros
// ZERO_BITS wide, both [n / 4, k / group, 4]: `stat_at`.

@group(0) @binding(3) var<storage, read> scales: array<u32>;
@group(0) @binding(4) var<storage, read> zeros: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

const QUADS = 8u; // of x that dot_unit takes

// The number of row n's first unit.
fn first_unit(n: u32) -> u32 { return n * ((params.k + 127u) / 128u * 4u); }

// The logarithm of a span's units.
fn span_log() -> u32 { return min(firstTrailingBit(params.group_size), 7u) - 5u; }

// The quad of columns that codes 4 j to 4 j + 3 of unit i have.
fn quad_of(i: u32, j: u32) -> u32 {
    let s = span_log();
    return ((i >> s) << (s + 3u)) + (j << s) + (i & ((1u << s) - 1u));
}

// Where group g of row n has its scale and its zero.
fn stat_at(g: u32, n: u32) -> u32 {
    return (n / 4u * (params.k / params.group_size) + g) * 4u + n % 4u;
}

fn scale_at(at: u32) -> f32 { return unpack2x16float(scales[at / 2u])[at % 2u]; }

fn zero_in(word: u32, at: u32) -> f32 { return f32(extractBits(word, at % (32u / ZERO_BITS) * ZERO_BITS, ZERO_BITS)); }
fn zero_at(at: u32) -> f32 { return zero_in(zeros[at / (32u / ZERO_BITS)], at); }

// The words in which the i-th eight weights of row n lie, and the weights. The units of a span have one i each by turns, of
// which a unit's are eight codes that lie together: two quads of columns, at `places`.
struct Loaded { words: vec2<u32>, scale: u32, zero: u32, at: u32 }
fn load(n: u32, i: u32) -> Loaded {
    let s = span_log();
    let unit = first_unit(n) + ((i >> (s + 2u)) << s) + (i & ((1u << s) - 1u));
    let at = stat_at(i * 8u / params.group_size, n);
    return Loaded(load_eight(unit, (i >> s) & 3u), scales[at / 2u], zeros[at / (32u / ZERO_BITS)], at);
}
fn weights(loaded: Loaded, n: u32, i: u32) -> array<vec4<f32>, 2> {
    let scale = unpack2x16float(loaded.scale)[loaded.at % 2u];
    let zero = vec4(zero_in(loaded.zero, loaded.at));
    let codes = eight_codes(loaded.words, (i >> span_log()) & 3u);
    return array(scale * (codes[0] - zero), scale * (codes[1] - zero));
}

// Returns where the two quads of such weights begin in their run of 32 columns.
fn places(i: u32) -> vec2<u32> {
    let s = span_log();
    let quads = ((i >> s) * 2u + vec2(0u, 1u)) << vec2(s);
    return (quads + (i & ((1u << s) - 1u))) % 8u * 4u;
}

// The sum of w * x over unit i of row n; total is the sum of those x.
// One product with the zero, in place of 32 differences.
fn dot_unit(n: u32, i: u32, xs: array<vec4<f32>, 8>, total: f32) -> f32 {
    let at = stat_at(i * 32u / params.group_size, n);
    let unit = load_unit(first_unit(n) + i);
    var sum = vec4<f32>();
    for (var j = 0u; j < 8u; j++) { sum += four_codes(unit, j) * xs[j]; }
    return scale_at(at) * (dot(sum, vec4(1.0)) - zero_at(at) * total);
}
