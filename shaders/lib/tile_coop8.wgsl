enable f16;
enable wgpu_cooperative_matrix;

// 8 x 8 tiles held by the lanes of one subgroup together, in hardware: Metal's. c[i, j] += a[i, k] * b[k, j].
// Needs EXPERIMENTAL_COOPERATIVE_MATRIX with 8x8x8 f16 -> f32, and SHADER_F16.
// Every call must be reached by all lanes of the subgroup.

const SIDE = 8u;
alias TileA = coop_mat8x8<f16, A>;
alias TileB = coop_mat8x8<f16, B>;
alias TileC = coop_mat8x8<f32, C>;

// Not of vectors: Metal has no pointer to a part of one.
var<workgroup> x_tile: array<f16, X_VALUES>; // a, row-major
var<workgroup> w_tile: array<f16, W_VALUES>; // b, column-major, or row-major for tile_load_b_rows
var<private> tile_lane: u32;
var<private> tile_lanes: u32;

fn put_x(at: u32, quad: vec4<f32>) { for (var j = 0u; j < 4u; j++) { x_tile[at + j] = f16(quad[j]); } }
fn put_w(at: u32, quad: vec4<f32>) { for (var j = 0u; j < 4u; j++) { w_tile[at + j] = f16(quad[j]); } }

fn tile_zero() -> TileC { return TileC(); }
fn tile_load_a(at: u32) -> TileA { return coopLoadT<TileA>(&x_tile[at], STRIDE); }
fn tile_load_b(at: u32) -> TileB { return coopLoad<TileB>(&w_tile[at], STRIDE); }
fn tile_load_b_rows(at: u32) -> TileB { return coopLoadT<TileB>(&w_tile[at], STRIDE); }
fn tile_load_c(at: u32, stride: u32) -> TileC { return coopLoadT<TileC>(&y_tile[at], stride); }
fn tile_mul_add(a: TileA, b: TileB, c: TileC) -> TileC { return coopMultiplyAdd(a, b, c); }
fn tile_store(c: TileC, at: u32, stride: u32) { coopStoreT(c, &y_tile[at], stride); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) own: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_id) team: u32, @builtin(num_subgroups) teams: u32) {
    tile_lane = own;
    tile_lanes = min(lanes, WG);
    compute(group, groups, lane, team, teams);
}
