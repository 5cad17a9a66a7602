// w[start + j, r] -= sum_k upper[k, j] * errors[k, r] for the columns j0 <= j < j1 of a weight and the errors
// k0 <= k < k1 of columns before them: what error feedback takes from the columns after a block, for all rows r.
// w is stored column after column. A workgroup owns a tile of lib/tile_product: 64 columns of 64 rows.

struct Params { rows: u32, start: u32, stride: u32, k0: u32, k1: u32, j0: u32, j1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> upper: array<f32>;
@group(0) @binding(2) var<storage, read> errors: array<f32>;
@group(0) @binding(3) var<storage, read_write> w: array<f32>;

fn left_at(t: u32, i: u32) -> f32 {
    let k = params.k0 + t;
    let j = params.j0 + i;
    let value = upper[min(k, params.k1 - 1u) * params.stride + min(j, params.j1 - 1u)];
    return select(0.0, value, k < params.k1 && j < params.j1);
}

fn right_at(t: u32, row: u32) -> f32 {
    let k = params.k0 + t;
    let value = errors[min(k, params.k1 - 1u) * params.rows + min(row, params.rows - 1u)];
    return select(0.0, value, k < params.k1 && row < params.rows);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i0 = group.y * TILE;
    let r0 = (group.x + group.z * groups.x) * TILE;
    let acc = tile_product(i0, r0, params.k1 - params.k0, lane);
    for (var a = 0u; a < PER; a++) {
        for (var b = 0u; b < PER; b++) {
            let j = params.j0 + i0 + lane / SIDE + a * SIDE;
            let row = r0 + lane % SIDE + b * SIDE;
            if (j < params.j1 && row < params.rows) { w[(params.start + j) * params.rows + row] -= acc[a][b]; }
        }
    }
}
