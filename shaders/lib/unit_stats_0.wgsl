// Statistics of Q4_0, Q5_0 and Q8_0, laid out as in lib/stats_q4_0.wgsl, for matvec_gguf_subgroup.wgsl.

@group(0) @binding(3) var<storage, read> stats: array<vec2<u32>>;

const GROUP = 32u; // columns that share a scale
const OFFSET = MIDDLE;
const STAT_UNITS = 4u; // that an element of `stats` or a few of them are for

alias Part = vec2<u32>; // where in them a unit has its own
alias Stats = u32; // what is loaded of a row
// Factors of the halves of a unit, or of the whole in x, times those of its block.
struct UnitStats { scales: vec2<f32>, minimums: vec2<f32>, scale: f32, minimum: f32 }

fn row_stats() -> u32 { return (params.k + 127u) / 128u; }

// That of unit u, or of any that lies a multiple of STAT_UNITS further.
fn part_of(u: u32) -> Part { return vec2(u % 4u / 2u, u % 2u * 16u); }

fn load_stats(row: u32, at: u32, part: Part) -> Stats { return stats[row + at][part.x]; }

fn unit_stats(word: Stats, part: Part) -> UnitStats {
    return UnitStats(vec2(1.0), vec2(0.0), unpack2x16float(word >> part.y).x, 0.0);
}
