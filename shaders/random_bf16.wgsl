// Word i of y holds two bf16 values, numbers 2i and 2i + 1 of a reproducible sequence spread evenly
// over -scale..scale. One invocation makes one word.
struct Params { words: u32, seed: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

override WG: u32 = 256;

fn hash(value: u32) -> u32 {
    var x = (value ^ (value >> 16u)) * 0x7feb352du;
    x = (x ^ (x >> 15u)) * 0x846ca68bu;
    return x ^ (x >> 16u);
}

fn bf16(counter: u32) -> u32 {
    let unit = (f32(hash(counter) >> 9u) + 0.5) / 4194304.0 - 1.0;
    let bits = bitcast<u32>(unit * params.scale);
    // Round to nearest, ties to even.
    return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.x + group.z * groups.x) * WG + lane;
    if i < params.words {
        y[i] = bf16((2u * i) ^ params.seed) | (bf16((2u * i + 1u) ^ params.seed) << 16u);
    }
}
