// Statistics of Q6_K, laid out as in lib/stats_q6_k.wgsl, for matvec_gguf_subgroup.wgsl; see lib/unit_stats_0.wgsl.

@group(0) @binding(3) var<storage, read> stats: array<u32>;

const GROUP = 16u;
const OFFSET = MIDDLE;
const STAT_UNITS = 8u;

alias Part = vec2<u32>;
alias Stats = vec2<u32>;
struct UnitStats { scales: vec2<f32>, minimums: vec2<f32>, scale: f32, minimum: f32 }

fn row_stats() -> u32 { return params.k / 256u * 5u; }

fn part_of(u: u32) -> Part { return vec2(u % 8u / 2u, 16u - u % 2u * 16u); }

fn load_stats(row: u32, at: u32, part: Part) -> Stats {
    let i = row + ((at << 2u) + at);
    return vec2(stats[i + part.x], stats[i + 4u]);
}

fn unit_stats(w: Stats, part: Part) -> UnitStats {
    let pair = bitcast<i32>(w.x << part.y); // in its upper half
    let own = vec2<f32>(vec2(extractBits(pair, 16u, 8u), pair >> 24u));
    return UnitStats(own, vec2(0.0), unpack2x16float(w.y).x, 0.0);
}
