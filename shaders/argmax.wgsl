// y[r] = the lowest index of the largest of x[r, 0 .. cols], or 0xffffffff if any of them is NaN or infinite.
// A row is cut into SPLITS parts; each leaves the bits of its largest value and the value's index, of which `merge`
// takes the best.
struct Params { cols: u32, stride: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@group(0) @binding(3) var<storage, read_write> parts: array<vec2<u32>>;

override WG: u32 = 256;
override SPLITS: u32 = 128;
var<workgroup> candidates: array<vec2<u32>, WG>;

// The index is above every other, so that any value wins over it.
fn nothing() -> vec2<u32> {
    return vec2(bitcast<u32>(-3.4e38), 0xfffffffeu);
}

fn better(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let higher = bitcast<f32>(b.x) > bitcast<f32>(a.x);
    let earlier = bitcast<f32>(b.x) == bitcast<f32>(a.x) && b.y < a.y;
    return select(a, b, a.y != 0xffffffffu && (higher || earlier || b.y == 0xffffffffu));
}

// The best of a workgroup, in its first invocation.
fn reduce(own: vec2<u32>, lane: u32) -> vec2<u32> {
    candidates[lane] = own;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if lane < half {
            candidates[lane] = better(candidates[lane], candidates[lane + half]);
        }
        workgroupBarrier();
    }
    return candidates[0];
}

// The better of a candidate and value i, which comes after it.
fn next(best: vec2<u32>, value: f32, i: u32) -> vec2<u32> {
    // By its bits: a compiler may assume that no value is NaN.
    let finite = (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
    let taken = select(best, vec2(bitcast<u32>(value), i), value > bitcast<f32>(best.x));
    return select(vec2(best.x, 0xffffffffu), taken, finite && best.y != 0xffffffffu);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let part = (params.cols + SPLITS - 1u) / SPLITS;
    let end = min((group.z + 1u) * part, params.cols);
    let row = group.y * params.stride;
    var best = nothing();
    for (var i = group.z * part + lane; i < end; i += 4u * WG) {
        // The last value stands for those beyond it.
        let at = min(vec4(i, i + WG, i + 2u * WG, i + 3u * WG), vec4(end - 1u));
        let values = vec4(x[row + at.x], x[row + at.y], x[row + at.z], x[row + at.w]);
        best = next(next(best, values.x, at.x), values.y, at.y);
        best = next(next(best, values.z, at.z), values.w, at.w);
    }
    best = reduce(best, lane);
    if lane == 0u { parts[group.y * SPLITS + group.z] = best; }
}

@compute @workgroup_size(WG)
fn merge(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    var best = nothing();
    for (var i = lane; i < SPLITS; i += 2u * WG) {
        let a = parts[group.y * SPLITS + i];
        let b = parts[group.y * SPLITS + min(i + WG, SPLITS - 1u)];
        best = better(better(best, a), b);
    }
    best = reduce(best, lane);
    if lane == 0u { y[group.y] = best.y; }
}
