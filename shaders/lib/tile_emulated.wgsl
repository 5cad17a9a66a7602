// 16 x 16 tiles held by 32 lanes together, in plain WGSL, for adapters without cooperative matrices:
// c[i, j] += a[i, k] * b[k, j]. Lane l owns elements l, l + 32, ... of c (row-major); a and b stay in workgroup memory, so
// they must not change between load and use.

const SIDE = 16u;
struct TileA { at: u32 }
struct TileB { at: u32 }
alias TileC = array<f32, 8>;

var<workgroup> x_tile: array<f32, X_VALUES>; // a, row-major
var<workgroup> w_tile: array<f32, W_VALUES>; // b, column-major
var<private> tile_lane: u32;
const tile_lanes = 32u;

fn rounded(v: f32) -> f32 { return unpack2x16float(pack2x16float(vec2(v, 0.0))).x; }

fn put_x(at: u32, low: vec4<f32>, high: vec4<f32>) {
    for (var j = 0u; j < 4u; j++) {
        x_tile[at + j] = rounded(low[j]);
        x_tile[at + j + 4u] = rounded(high[j]);
    }
}

fn put_w(at: u32, low: vec4<f32>, high: vec4<f32>) {
    for (var j = 0u; j < 4u; j++) {
        w_tile[at + j] = rounded(low[j]);
        w_tile[at + j + 4u] = rounded(high[j]);
    }
}

fn tile_zero() -> TileC { return TileC(); }
fn tile_load_a(at: u32) -> TileA { return TileA(at); }
fn tile_load_b(at: u32) -> TileB { return TileB(at); }

fn tile_mul_add(a: TileA, b: TileB, c: TileC) -> TileC {
    var sums = c;
    for (var e = tile_lane; e < 256u; e += tile_lanes) {
        var sum = sums[e / tile_lanes];
        for (var k = 0u; k < 16u; k++) {
            sum += x_tile[a.at + e / 16u * STRIDE + k] * w_tile[b.at + e % 16u * STRIDE + k];
        }
        sums[e / tile_lanes] = sum;
    }
    return sums;
}

fn tile_store(c: TileC, at: u32, stride: u32) {
    var sums = c;
    for (var e = tile_lane; e < 256u; e += tile_lanes) { y_tile[at + e / 16u * stride + e % 16u] = sums[e / tile_lanes]; }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    tile_lane = lane % tile_lanes;
    compute(group, groups, lane, lane / tile_lanes, WG / tile_lanes);
}
