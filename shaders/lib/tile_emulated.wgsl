// 16 x 16 tiles held by 32 lanes together, in plain WGSL, for adapters without cooperative matrices:
// c[i, j] += a[i, k] * b[k, j]. Lane l owns elements l, l + 32, ... of c (row-major); a and b stay in workgroup memory, so
// they must not change between load and use.

const SIDE = 16u;
struct TileA { at: u32 }
struct TileB { at: u32 }
alias TileC = array<f32, 8>;

// Two values in f16 to a word, since WebGPU grants 16 KiB.
override X_WORDS: u32 = X_VALUES / 2u;
override W_WORDS: u32 = W_VALUES / 2u;
var<workgroup> x_tile: array<u32, X_WORDS>; // a, row-major
var<workgroup> w_tile: array<u32, W_WORDS>; // b, column-major
var<private> tile_lane: u32;
const tile_lanes = 32u;

fn put_x(at: u32, quad: vec4<f32>) {
    x_tile[at / 2u] = pack2x16float(quad.xy);
    x_tile[at / 2u + 1u] = pack2x16float(quad.zw);
}

fn put_w(at: u32, quad: vec4<f32>) {
    w_tile[at / 2u] = pack2x16float(quad.xy);
    w_tile[at / 2u + 1u] = pack2x16float(quad.zw);
}

fn tile_zero() -> TileC { return TileC(); }
fn tile_load_a(at: u32) -> TileA { return TileA(at); }
fn tile_load_b(at: u32) -> TileB { return TileB(at); }

fn tile_mul_add(a: TileA, b: TileB, c: TileC) -> TileC {
    var sums = c;
    for (var e = tile_lane; e < 256u; e += tile_lanes) {
        var sum = sums[e / tile_lanes];
        for (var k = 0u; k < 8u; k++) {
            let left = unpack2x16float(x_tile[(a.at + e / 16u * STRIDE) / 2u + k]);
            sum += dot(left, unpack2x16float(w_tile[(b.at + e % 16u * STRIDE) / 2u + k]));
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
