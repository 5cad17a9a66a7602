// panel[t, j] = sum_s X[t, s] * s_j[s] for the block of rows and columns from `first` on, X being its inverted factor:
// s_j[s] is a[j, first + s] for rows j below the block, 1 where j = first + s, a[first + s, j] for columns j before it.
// Below the block that is the factor L, turned; up to its end it is the block's rows of L⁻¹. A workgroup owns a tile of
// lib/tile_product.

struct Params { n: u32, first: u32, len: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> matrix: array<f32>;
@group(0) @binding(2) var<storage, read_write> panel: array<f32>;

fn left_at(s: u32, t: u32) -> f32 {
    let last = params.len - 1u;
    let value = matrix[(params.first + min(t, last)) * params.n + params.first + min(s, last)];
    return select(0.0, value, t <= last && s <= t);
}

fn right_at(s: u32, col: u32) -> f32 {
    let own = params.first + min(s, params.len - 1u);
    let j = min(col, params.n - 1u);
    let below = j >= params.first + params.len;
    let value = matrix[select(own * params.n + j, j * params.n + own, below)];
    return select(value, f32(j == own), j >= params.first && !below);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let j0 = (group.x + group.z * groups.x) * TILE;
    let acc = tile_product(0u, j0, params.len, lane);
    for (var a = 0u; a < PER; a++) {
        for (var b = 0u; b < PER; b++) {
            let t = lane / SIDE + a * SIDE;
            let j = j0 + lane % SIDE + b * SIDE;
            if (t < params.len && j < params.n) { panel[t * params.n + j] = acc[a][b]; }
        }
    }
}
