// Q2_K: scale d * s and minimum m * t for 16 columns. 256 columns share five words: sixteen bytes, s in the low
// nibble and t in the high one, then d and m in f16.

@group(0) @binding(3) var<storage, read> stats: array<u32>;

const GROUP = 16u;
// Eight bytes of s and t, d and m.
alias Stats = vec3<u32>;

// Those of columns 128 b to 128 b + 127 of row n.
fn load_stats(n: u32, b: u32) -> Stats {
    let at = (n * (params.k / 256u) + b / 2u) * 5u;
    let half = at + b % 2u * 2u;
    return vec3(stats[half], stats[half + 1u], stats[at + 4u]);
}

// Scale and minimum of their group g.
fn group_stats(s: Stats, g: u32) -> vec2<f32> {
    let byte = s[g / 4u] >> (8u * (g % 4u));
    return unpack2x16float(s.z) * vec2<f32>(vec2<i32>((vec2(byte) >> vec2(0u, 4u)) & vec2(15u)));
}
