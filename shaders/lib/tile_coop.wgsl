enable f16;
enable wgpu_cooperative_matrix;

// 16 x 16 tiles held by the lanes of one subgroup together, in hardware. c[i, j] += a[i, k] * b[k, j].
// Needs EXPERIMENTAL_COOPERATIVE_MATRIX with 16x16x16 f16 -> f32, and SHADER_F16.
// The including shader declares x_tile (a, row-major), w_tile (b, column-major) and y_tile.
// Every call must be reached by all lanes of the subgroup.

alias Half = f16;
alias TileA = coop_mat16x16<f16, A>;
alias TileB = coop_mat16x16<f16, B>;
alias TileC = coop_mat16x16<f32, C>;

var<private> tile_lane: u32;

fn to_half(v: f32) -> Half { return f16(v); }
fn tile_zero() -> TileC { return TileC(); }
fn tile_load_a(at: u32, stride: u32) -> TileA { return coopLoadT<TileA>(&x_tile[at], stride); }
fn tile_load_b(at: u32, stride: u32) -> TileB { return coopLoad<TileB>(&w_tile[at], stride); }
fn tile_mul_add(a: TileA, b: TileB, c: TileC) -> TileC { return coopMultiplyAdd(a, b, c); }
fn tile_store(c: TileC, at: u32) { coopStoreT(c, &y_tile[at], 16u); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
    tile_lane = lane;
    multiply(group, groups, subgroup);
}
