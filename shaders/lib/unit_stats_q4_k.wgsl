// Statistics of Q4_K and Q5_K, laid out as in lib/stats_q4_k.wgsl, for matvec_gguf_subgroup.wgsl; see lib/unit_stats_0.wgsl.

@group(0) @binding(3) var<storage, read> stats: array<vec4<u32>>;

const GROUP = 32u;
const OFFSET = 0.0;
const STAT_UNITS = 8u;

struct UnitStats { scales: vec2<f32>, minimums: vec2<f32>, scale: f32, minimum: f32 }

fn row_stats() -> u32 { return params.k / 256u; }

fn part_of(u: u32) -> vec2<u32> { return vec2(u % 8u / 4u, u % 4u * 8u); }

fn load_stats(at: u32, part: vec2<u32>) -> vec4<u32> { return stats[at]; }

fn unit_stats(w: vec4<u32>, part: vec2<u32>) -> UnitStats {
    let second = part.x == 1u; // of the fours of groups
    let low = vec2(select(w.y, w.w, second), select(w.z, w.w >> 4u, second)) >> vec2(part.y);
    let high = (w.yz >> vec2(part.y + 2u)) & vec2(select(0u, 48u, second));
    let own = vec2<f32>((low & vec2(select(63u, 15u, second))) | high);
    let of_block = unpack2x16float(w.x);
    return UnitStats(own.xx, own.yy, of_block.x, of_block.y);
}
