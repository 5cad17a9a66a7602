// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to a lib/weights_ file, which says what w is, and to lib/walked_outliers.wgsl or lib/no_outliers.wgsl; k is a
// multiple of 32. For m from 2 on.
// A workgroup of 256 owns 64 rows of m by 64 columns of n and walks k in steps of 32 through
// workgroup memory (16 KiB); lane (tx, ty) owns rows 4 ty + i and columns 4 tx + j, i, j < 4.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

const TILE = 64u;
const STEP = 32u;
const SIDE = 16u; // lanes along a side of the tile
const PER = 4u;   // rows, and columns, of a lane
const RUN = PER / 2u;

// Both [k][row], four rows a vector, the vector xored by swizzle(k / 4).
var<workgroup> x_tile: array<vec4<f32>, STEP * SIDE>;
var<workgroup> w_tile: array<vec4<f32>, STEP * SIDE>;

// Four lanes fill one row at k 4 or 8 apart; without this they would all meet in one bank.
fn swizzle(quad: u32) -> u32 { return ((quad >> 1u) ^ (quad << 1u)) % 4u * 2u; }

// Where four rows begin at the first k of a quad.
fn tile_at(quad: u32, rows: u32) -> u32 { return quad * 4u * SIDE + (rows ^ swizzle(quad)); }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let m0 = group.y * TILE;
    let n0 = (group.x + group.z * groups.x) * (TILE >> GATED);
    let tx = lane % SIDE;
    let ty = lane / SIDE;
    let words = params.k / 8u;

    let fill_row = lane / 4u;
    let fill_word = lane % 4u;
    let x_row = min(m0 + fill_row, params.m - 1u) * words + fill_word;
    let w_row = row_of(n0, fill_row);
    let part = fill_row % PER;

    var ahead = outliers_of(w_row);
    var acc: array<vec4<f32>, PER>;
    for (var i = 0u; i < words; i += STEP / 8u) {
        let xa = x[(x_row + i) * 2u];
        let xb = x[(x_row + i) * 2u + 1u];
        let loaded = weights(load(w_row, i + fill_word), w_row, i + fill_word);
        let at = places(i + fill_word);
        let w = array(with_outliers(&ahead, i * 8u + at.x, loaded[0]), with_outliers(&ahead, i * 8u + at.y, loaded[1]));
        let fill_x = vec2(tile_at(fill_word * 2u, fill_row / PER), tile_at(fill_word * 2u + 1u, fill_row / PER));
        let fill_w = vec2(tile_at(at.x / 4u, fill_row / PER), tile_at(at.y / 4u, fill_row / PER));
        for (var j = 0u; j < 4u; j++) {
            x_tile[fill_x.x + j * SIDE][part] = xa[j];
            x_tile[fill_x.y + j * SIDE][part] = xb[j];
            w_tile[fill_w.x + j * SIDE][part] = w[0][j];
            w_tile[fill_w.y + j * SIDE][part] = w[1][j];
        }
        workgroupBarrier();
        for (var quad = 0u; quad < STEP / 4u; quad++) {
            let xk = tile_at(quad, ty);
            let wk = tile_at(quad, tx);
            for (var k = 0u; k < 4u; k++) {
                let xs = x_tile[xk + k * SIDE];
                let ws = w_tile[wk + k * SIDE];
                for (var j = 0u; j < PER; j++) { acc[j] += xs[j] * ws; }
            }
        }
        workgroupBarrier();
    }

    for (var j = 0u; j < PER * PER; j++) {
        let m = m0 + PER * ty + j / PER;
        let sums = acc[j / PER];
        if (GATED == 0u) {
            let n = n0 + PER * tx + j % PER;
            if (m < params.m && n < params.n) { store(m, n, sums[j % PER]); }
        } else if (j % PER < RUN) {
            let n = n0 + RUN * tx + j % PER;
            if (m < params.m && n < outputs()) { store_gated(m, n, sums[j % PER], sums[j % PER + RUN]); }
        }
    }
}
