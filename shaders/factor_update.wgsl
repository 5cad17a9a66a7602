// a[i, j] -= sum_t panel[t, i] * panel[t, j] for rows i from row0 on and columns j up to the end of i's own tile of 64, where
// a counts as 0 in the block of columns from `first` on; the block's own rows become the panel's. What is below a block gets
// the part of L and of L⁻¹ that needs it. A workgroup owns a tile of lib/tile_product.

struct Params { n: u32, first: u32, len: u32, row0: u32, rows: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> panel: array<f32>;
@group(0) @binding(2) var<storage, read_write> matrix: array<f32>;

fn right_at(t: u32, j: u32) -> f32 {
    let value = panel[min(t, params.len - 1u) * params.n + min(j, params.n - 1u)];
    return select(0.0, value, t < params.len && j < params.n);
}

fn left_at(t: u32, i: u32) -> f32 { return right_at(t, i); }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    // Bands and blocks start at whole tiles, so a tile is right of its row's own or is not.
    let i0 = params.row0 + group.y * TILE;
    let j0 = (group.x + group.z * groups.x) * TILE;
    if (j0 > i0) { return; }
    let own = i0 == params.first;
    var acc: array<vec4<f32>, PER>;
    if (own) {
        for (var a = 0u; a < PER; a++) {
            let t = lane / SIDE + a * SIDE;
            let j = j0 + lane % SIDE;
            acc[a] = -vec4(right_at(t, j), right_at(t, j + SIDE), right_at(t, j + 2u * SIDE), right_at(t, j + 3u * SIDE));
        }
    } else {
        acc = tile_product(i0, j0, params.len, lane);
    }
    let end = min(params.row0 + params.rows, params.n);
    for (var a = 0u; a < PER; a++) {
        for (var b = 0u; b < PER; b++) {
            let i = i0 + lane / SIDE + a * SIDE;
            let j = j0 + lane % SIDE + b * SIDE;
            let at = i * params.n + j;
            if (i < end && j < params.n) { matrix[at] = select(matrix[at], 0.0, own || j0 == params.first) - acc[a][b]; }
        }
    }
}
