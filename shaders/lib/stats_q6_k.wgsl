// Q6_K: scale d * s for 16 columns; w = scale * (code - 32). 256 columns share five words: sixteen s in signed bytes,
// then d in f16.

@group(0) @binding(3) var<storage, read> stats: array<u32>;

const GROUP = 16u;
// Eight bytes of s, d.
alias Stats = vec3<u32>;

// Those of columns 128 b to 128 b + 127 of row n.
fn load_stats(n: u32, b: u32) -> Stats {
    let at = (n * (params.k / 256u) + b / 2u) * 5u;
    let half = at + b % 2u * 2u;
    return vec3(stats[half], stats[half + 1u], stats[at + 4u]);
}

// Scale and minimum of their group g.
fn group_stats(s: Stats, g: u32) -> vec2<f32> {
    let code = bitcast<i32>(s[g / 4u] << (24u - 8u * (g % 4u))) >> 24u;
    return unpack2x16float(s.z).x * f32(code) * vec2(1.0, 32.0);
}
