// Statistics of Q4_K and Q5_K, laid out as in lib/stats_q4_k.wgsl, for matvec_gguf_subgroup.wgsl; see lib/unit_stats_0.wgsl.

@group(0) @binding(3) var<storage, read> stats: array<vec4<u32>>;

const GROUP = 32u;
const OFFSET = 0.0;
const STAT_UNITS = 8u;

alias Part = vec4<u32>;
alias Stats = vec4<u32>;
struct UnitStats { scales: vec2<f32>, minimums: vec2<f32>, scale: f32, minimum: f32 }

fn row_stats() -> u32 { return params.k / 256u; }

// In z the shift of a minimum, in w what is taken of high bits.
fn part_of(u: u32) -> Part {
    let second = u % 8u / 4u;
    let shift = u % 4u * 8u;
    return Part(second, shift, shift + 4u * second, 48u * second);
}

fn load_stats(row: u32, at: u32, part: Part) -> Stats { return stats[row + at]; }

fn unit_stats(w: Stats, part: Part) -> UnitStats {
    // From the fifth group on four bits of another word, and two more.
    let second = part.x == 1u;
    let low = vec2(select(w.y, w.w, second), select(w.z, w.w, second)) >> part.yz;
    let high = (w.yz >> vec2(part.y + 2u)) & part.ww;
    let own = vec2<f32>((low & vec2(select(63u, 15u, second))) | high);
    let of_block = unpack2x16float(w.x);
    return UnitStats(own.xx, own.yy, of_block.x, of_block.y);
}
