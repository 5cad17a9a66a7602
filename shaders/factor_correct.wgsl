// x[i, j] -= sum over j <= k <= i of error[i - first, k] * x[k, j] for `len` rows i from `row` on and columns j from col0 on:
// X becomes (I - E) X. Rows above are as they were. A workgroup owns a tile of lib/tile_product, of which it alone reads
// the columns.

struct Params { n: u32, first: u32, row: u32, len: u32, col0: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> error: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;

var<private> start: u32;

fn left_at(s: u32, t: u32) -> f32 {
    let last = params.row + params.len - 1u;
    let row = params.row - params.first + min(t, params.len - 1u);
    let value = error[row * params.n + min(start + s, last)];
    return select(0.0, value, start + s <= last && t < params.len);
}

fn right_at(s: u32, j: u32) -> f32 {
    let k = min(start + s, params.row + params.len - 1u);
    return select(0.0, x[k * params.n + min(j, k)], j <= k);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let j0 = params.col0 + (group.x + group.z * groups.x) * TILE;
    start = j0;
    let acc = tile_product(0u, j0, params.row + params.len - j0, lane);
    storageBarrier();
    for (var a = 0u; a < PER; a++) {
        for (var b = 0u; b < PER; b++) {
            let t = lane / SIDE + a * SIDE;
            let i = params.row + t;
            let j = j0 + lane % SIDE + b * SIDE;
            if (t < params.len && j <= i && j < params.col0 + params.cols) { x[i * params.n + j] -= acc[a][b]; }
        }
    }
}
