// error[t, k] = weight * (sum over m <= k of residual[t, m] * x[k, m] - one), i = row0 + t: the lower half of X H Xᵀ - I.
// The weight is 1 for k < i, 1/2 on the diagonal, where one is 1, and 0 behind it. A workgroup owns a tile of lib/tile_product.

struct Params { n: u32, row0: u32, rows: u32, col0: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> residual: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> error: array<f32>;

fn left_at(m: u32, t: u32) -> f32 {
    let value = residual[min(t, params.rows - 1u) * params.n + min(m, params.n - 1u)];
    return select(0.0, value, t < params.rows);
}

fn right_at(m: u32, k: u32) -> f32 {
    let row = min(k, params.n - 1u);
    return select(0.0, x[row * params.n + min(m, row)], m <= row);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let t0 = group.y * TILE;
    let k0 = params.col0 + (group.x + group.z * groups.x) * TILE;
    let acc = tile_product(t0, k0, min(k0 + TILE, params.n), lane);
    for (var a = 0u; a < PER; a++) {
        for (var b = 0u; b < PER; b++) {
            let t = t0 + lane / SIDE + a * SIDE;
            let k = k0 + lane % SIDE + b * SIDE;
            let i = params.row0 + t;
            let value = select(acc[a][b], 0.5 * (acc[a][b] - 1.0), k == i);
            if (t < params.rows && k < params.col0 + params.cols) {
                error[t * params.n + k] = select(0.0, value, k <= i);
            }
        }
    }
}
