// w[n, k] = scale[n, g] * code[n, k] - minimum[n, g], g = k / GROUP: GGUF's block types.
// Append to a lib/stats_ file, which says what scale and minimum are, to a lib/codes_ file, which says how codes are
// packed in units of 32, and to a lib/words_ file, which loads them; a row is padded to whole blocks of four units.

const QUADS = 8u; // of x that dot_unit takes

// The quad j of x that unit i takes.
fn quad_of(i: u32, j: u32) -> u32 { return i * QUADS + j; }

// The number of row n's first unit.
fn first_unit(n: u32) -> u32 { return n * ((params.k + 127u) / 128u * 4u); }

// The words in which weights 8 i to 8 i + 7 of row n lie, and the weights.
struct Loaded { words: vec2<u32>, stats: Stats }
fn load(n: u32, i: u32) -> Loaded { return Loaded(load_eight(first_unit(n) + i / 4u, i % 4u), load_stats(n, i / 16u)); }
fn weights(loaded: Loaded, n: u32, i: u32) -> array<vec4<f32>, 2> {
    let s = group_stats(loaded.stats, i % 16u * 8u / GROUP);
    let codes = eight_codes(loaded.words, i % 4u);
    return array(s.x * codes[0] - vec4(s.y), s.x * codes[1] - vec4(s.y));
}

// Returns where the two quads of such weights begin in their run of 32 columns.
fn places(i: u32) -> vec2<u32> { return i % 4u * 8u + vec2(0u, 4u); }

// The sum of w * x over unit i, the columns from 32 i on, of row n; total is the sum of those x.
// One product with the minimum, in place of 16 or 32 differences.
fn dot_unit(n: u32, i: u32, xs: array<vec4<f32>, 8>, total: f32) -> f32 {
    let stats = load_stats(n, i / 4u);
    let unit = load_unit(first_unit(n) + i);
    var scaled: array<vec4<f32>, 8>;
    for (var j = 0u; j < 8u; j++) { scaled[j] = xs[j] * PRESCALE; }
    let coded = weighted_halves(unit, scaled);
    let first = group_stats(stats, i % 4u * 32u / GROUP);
    if (GROUP == 32u) { return first.x * dot(coded[0] + coded[1], vec4(1.0)) - first.y * total; }
    let second = group_stats(stats, i % 4u * 2u + 1u);
    let sum = dot(xs[0] + xs[1] + (xs[2] + xs[3]), vec4(1.0));
    return first.x * dot(coded[0], vec4(1.0)) - first.y * sum
         + (second.x * dot(coded[1], vec4(1.0)) - second.y * (total - sum));
}
