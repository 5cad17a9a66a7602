// y[r, :] = table[token[r] - row0, :] for the rows whose token lies in this part of the table.
// Append to lib/embedded.wgsl. One invocation widens one word, two bf16 values.

@group(0) @binding(1) var<storage, read> token: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let word = group.x * WG + lane;
    // Unsigned: a token before this part wraps to a number above every row.
    let row = token[group.y] - params.row0;
    if word >= params.k / 2u || row >= params.rows {
        return;
    }
    let pair = table[row * (params.k / 2u) + word];
    put(group.y, 2u * word, bitcast<f32>(pair << 16u));
    put(group.y, 2u * word + 1u, bitcast<f32>(pair & 0xffff0000u));
}
