// Statistics of Q4_0, Q5_0 and Q8_0, laid out as in lib/stats_q4_0.wgsl, for matvec_gguf_subgroup.wgsl.

@group(0) @binding(3) var<storage, read> stats: array<vec2<u32>>;

const GROUP = 32u; // columns that share a scale
const OFFSET = MIDDLE;
const STAT_UNITS = 4u; // that an element of `stats` or a few of them are for

// Factors of the halves of a unit, or of the whole in x, times those of its block.
struct UnitStats { scales: vec2<f32>, minimums: vec2<f32>, scale: f32, minimum: f32 }

fn row_stats() -> u32 { return (params.k + 127u) / 128u; }

// Where in them unit u, or any that lies a multiple of STAT_UNITS further, has its own.
fn part_of(u: u32) -> vec2<u32> { return vec2(u % 4u / 2u, u % 2u * 16u); }

fn load_stats(at: u32, part: vec2<u32>) -> u32 { return stats[at][part.x]; }

fn unit_stats(word: u32, part: vec2<u32>) -> UnitStats {
    return UnitStats(vec2(1.0), vec2(0.0), unpack2x16float(word >> part.y).x, 0.0);
}
