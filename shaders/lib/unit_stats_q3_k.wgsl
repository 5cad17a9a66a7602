// Statistics of Q3_K, laid out as in lib/stats_q3_k.wgsl, for matvec_gguf_subgroup.wgsl; see lib/unit_stats_0.wgsl.

@group(0) @binding(3) var<storage, read> stats: array<vec4<u32>>;

const GROUP = 16u;
const OFFSET = MIDDLE;
const STAT_UNITS = 8u;

alias Part = vec2<u32>;
alias Stats = vec4<u32>;
struct UnitStats { scales: vec2<f32>, minimums: vec2<f32>, scale: f32, minimum: f32 }

fn row_stats() -> u32 { return params.k / 256u; }

// In y the shift of the low nibbles, and from bit 8 on that of the high bits.
fn part_of(u: u32) -> Part {
    let shift = u % 2u * 16u;
    return vec2(u % 4u / 2u, (shift + u % 8u / 4u * 4u) | ((shift + u % 8u / 2u * 2u) << 8u));
}

fn load_stats(row: u32, at: u32, part: Part) -> Stats { return stats[row + at]; }

fn unit_stats(w: Stats, part: Part) -> UnitStats {
    let low = (select(w.x, w.y, part.x == 1u) >> (part.y & 31u)) & 0x0f0fu;
    let both = low | (((w.z >> (part.y >> 8u)) & 0x0303u) << 4u);
    let own = vec2<f32>(vec2(extractBits(both, 0u, 8u), extractBits(both, 8u, 8u))) - vec2(32.0);
    return UnitStats(own, vec2(0.0), unpack2x16float(w.w).x, 0.0);
}
