// y[r] = the lowest index of the largest of x[r, 0 .. cols], or 0xffffffff if any of them is NaN or
// infinite. One workgroup does a row.
struct Params { cols: u32, stride: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

override WG: u32 = 256;
var<workgroup> values: array<f32, WG>;
var<workgroup> indices: array<u32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * params.stride;
    var best = -3.4e38;
    // Above every index, so that any value wins over it.
    var at = 0xfffffffeu;
    var not_finite = false;
    for (var i = lane; i < params.cols; i += WG) {
        let value = x[row + i];
        // By its bits: a compiler may assume that no value is NaN.
        not_finite |= (bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u;
        if value > best {
            best = value;
            at = i;
        }
    }
    values[lane] = select(best, 3.4e38, not_finite);
    indices[lane] = select(at, 0xffffffffu, not_finite);
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if lane < half {
            let other = indices[lane + half];
            let mine = indices[lane];
            let higher = values[lane + half] > values[lane];
            let earlier = values[lane + half] == values[lane] && other < mine;
            if mine != 0xffffffffu && (higher || earlier || other == 0xffffffffu) {
                values[lane] = values[lane + half];
                indices[lane] = other;
            }
        }
        workgroupBarrier();
    }
    if lane == 0u {
        y[group.y] = indices[0];
    }
}
