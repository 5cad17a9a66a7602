// Q5_0: one f16 scale for 32 columns, four of them in a vec2; w = scale * (code - 16).

@group(0) @binding(3) var<storage, read> stats: array<vec2<u32>>;

const GROUP = 32u;
alias Stats = vec2<u32>;

// Those of columns 128 b to 128 b + 127 of row n.
fn load_stats(n: u32, b: u32) -> Stats { return stats[n * ((params.k + 127u) / 128u) + b]; }

// Scale and minimum of their group g.
fn group_stats(s: Stats, g: u32) -> vec2<f32> {
    return unpack2x16float(s[g / 2u])[g % 2u] * vec2(1.0, 16.0);
}
