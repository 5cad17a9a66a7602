// h[i, j] += scale * sum_t x[t, row0 + i] * x[t, j] for `rows` rows i from `first` on, where j is not left of i's own tile of
// 64 columns: h is symmetric, and the host mirrors it. A workgroup owns a tile of lib/tile_product.

struct Params { tokens: u32, cols: u32, row0: u32, first: u32, rows: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> h: array<f32>;

fn right_at(t: u32, col: u32) -> f32 {
    let value = x[min(t, params.tokens - 1u) * params.cols + min(col, params.cols - 1u)];
    return select(0.0, value, t < params.tokens && col < params.cols);
}

fn left_at(t: u32, i: u32) -> f32 { return right_at(t, params.row0 + i); }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i0 = params.first + group.y * TILE;
    let j0 = (group.x + group.z * groups.x) * TILE;
    // Bands and their parts start at a whole tile, so a tile is left of its row's own or is not.
    if (j0 < params.row0 + i0) { return; }
    let acc = tile_product(i0, j0, params.tokens, lane);
    for (var a = 0u; a < PER; a++) {
        for (var b = 0u; b < PER; b++) {
            let i = i0 + lane / SIDE + a * SIDE;
            let j = j0 + lane % SIDE + b * SIDE;
            if (i < params.first + params.rows && j < params.cols) { h[i * params.cols + j] += params.scale * acc[a][b]; }
        }
    }
}
