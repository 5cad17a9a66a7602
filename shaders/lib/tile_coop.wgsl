enable f16;
enable wgpu_cooperative_matrix;

// 16 x 16 tiles held by the lanes of one subgroup together, in hardware. c[i, j] += a[i, k] * b[k, j].
// Needs EXPERIMENTAL_COOPERATIVE_MATRIX with 16x16x16 f16 -> f32, and SHADER_F16.
// Every call must be reached by all lanes of the subgroup.

const SIDE = 16u;
alias TileA = coop_mat16x16<f16, A>;
alias TileB = coop_mat16x16<f16, B>;
alias TileC = coop_mat16x16<f32, C>;

// Of vectors, so that one store moves four values. A stride counts vectors then, too.
override X_QUADS: u32 = X_VALUES / 4u;
override W_QUADS: u32 = W_VALUES / 4u;
var<workgroup> x_tile: array<vec4<f16>, X_QUADS>; // a, row-major
var<workgroup> w_tile: array<vec4<f16>, W_QUADS>; // b, column-major, or row-major for tile_load_b_rows
var<private> tile_lane: u32;
var<private> tile_lanes: u32;

fn put_x(at: u32, quad: vec4<f32>) { x_tile[at / 4u] = vec4<f16>(quad); }
fn put_w(at: u32, quad: vec4<f32>) { w_tile[at / 4u] = vec4<f16>(quad); }

fn tile_zero() -> TileC { return TileC(); }
fn tile_load_a(at: u32) -> TileA { return coopLoadT<TileA>(&x_tile[at / 4u], STRIDE / 4u); }
fn tile_load_b(at: u32) -> TileB { return coopLoad<TileB>(&w_tile[at / 4u], STRIDE / 4u); }
fn tile_load_b_rows(at: u32) -> TileB { return coopLoadT<TileB>(&w_tile[at / 4u], STRIDE / 4u); }
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
