// 16 x 16 tiles held by LANES lanes together, in plain WGSL, for adapters without cooperative
// matrices: c[i, j] += a[i, k] * b[k, j]. Lane l owns elements l, l + LANES, ... of c (row-major);
// a and b stay in workgroup memory, so they must not change between load and use. LANES >= 32.
// The including shader declares x_tile (a, row-major), w_tile (b, column-major) and y_tile.

alias Half = f32;
struct TileA { at: u32, stride: u32 }
struct TileB { at: u32, stride: u32 }
alias TileC = array<f32, 8>;

var<private> tile_lane: u32;

fn to_half(v: f32) -> Half { return unpack2x16float(pack2x16float(vec2(v, 0.0))).x; }
fn tile_zero() -> TileC { return TileC(); }
fn tile_load_a(at: u32, stride: u32) -> TileA { return TileA(at, stride); }
fn tile_load_b(at: u32, stride: u32) -> TileB { return TileB(at, stride); }

fn tile_mul_add(a: TileA, b: TileB, c: TileC) -> TileC {
    var sums = c;
    for (var e = tile_lane; e < 256u; e += LANES) {
        var sum = sums[e / LANES];
        for (var k = 0u; k < 16u; k++) {
            sum += x_tile[a.at + e / 16u * a.stride + k] * w_tile[b.at + e % 16u * b.stride + k];
        }
        sums[e / LANES] = sum;
    }
    return sums;
}

fn tile_store(c: TileC, at: u32) {
    var sums = c;
    for (var e = tile_lane; e < 256u; e += LANES) { y_tile[at + e] = sums[e / LANES]; }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    tile_lane = lane % LANES;
    multiply(group, groups, lane / LANES);
}
