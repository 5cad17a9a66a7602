// y[r, :] = table[token[r] - row0, :] for the rows whose token lies in this part of the table, whose rows are GGUF's
// blocks. Append to lib/embedded.wgsl, lib/weights_gguf.wgsl and the files it names. One invocation widens eight weights.

@group(0) @binding(1) var<storage, read> token: array<u32>;
@group(0) @binding(4) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x * WG + lane;
    // Unsigned: a token before this part wraps to a number above every row.
    let row = token[group.y] - params.row0;
    if i >= params.k / 8u || row >= params.rows {
        return;
    }
    let w = weights(load(row, i), row, i);
    for (var j = 0u; j < 8u; j++) { put(group.y, 8u * i + j, w[j / 4u][j % 4u]); }
}
