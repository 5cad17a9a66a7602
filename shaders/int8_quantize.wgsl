// Rows of x in eight bits, as LLM.int8() (Dettmers et al., 2022) multiplies them: with x rounded to f16 and
// scale[m] the largest |x[m, k]| below threshold, code[m, k] = round(x[m, k] * (127 / scale[m])), but 0 in
// columns with an outlier. q holds, one behind the other:
//   [m, k]      the values a plain product takes: code * scale / 127, and x itself in columns with an outlier
//   [m, k / 4]  codes, four to a word
//   [m, k / 32] columns with an outlier, a bit each
//   [m]         scale
// A workgroup owns a row; a lane takes 32 columns at a time. Append to lib/f16_round.wgsl and lib/int8_factor.wgsl.
struct Params {
    m: u32, k: u32,
    threshold: f32,
    masked: u32,    // 1: columns with an outlier are those of mask; 0: each row has its own
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read_write> q: array<u32>;

override WG: u32 = 256u;

var<workgroup> largest: atomic<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let m = group.y;
    let units = params.k / 32u;
    if (lane == 0u) { atomicStore(&largest, 0u); }
    workgroupBarrier();
    var most: vec4<u32>;
    for (var i = lane; i < units; i += WG) {
        for (var j = 0u; j < 8u; j++) {
            let a = f16_magnitude(x[(m * units + i) * 8u + j]);
            most = max(most, select(a, vec4(0u), a >= vec4(bitcast<u32>(params.threshold))));
        }
    }
    // Floats that are not negative are in the order of their bits.
    atomicMax(&largest, max(max(most.x, most.y), max(most.z, most.w)));
    workgroupBarrier();

    let scale = atomicLoad(&largest);
    let to_code = factor(scale);
    let step = bitcast<f32>(scale) * (1.0 / 127.0);
    let codes = params.m * params.k + m * (params.k / 4u);
    let masks = params.m * (params.k / 4u) * 5u + m * units;
    for (var i = lane; i < units; i += WG) {
        var columns = 0u;
        if (params.masked == 1u) { columns = mask[i]; }
        for (var j = 0u; j < 8u; j++) {
            let at = (m * units + i) * 8u + j;
            let v = x[at];
            let a = f16_magnitude(v);
            var out = a >= vec4(bitcast<u32>(params.threshold));
            if (params.masked == 1u) {
                out = (vec4(columns >> (j * 4u)) & vec4(1u, 2u, 4u, 8u)) != vec4(0u);
            } else {
                let bits = select(vec4(0u), vec4(1u, 2u, 4u, 8u), out);
                columns |= (bits.x | bits.y | bits.z | bits.w) << (j * 4u);
            }
            let sign = bitcast<vec4<u32>>(v) & vec4(0x80000000u);
            let rounded = bitcast<vec4<f32>>(sign | min(a, vec4(F16_INFINITY)));
            let code = select(vec4<i32>(round(rounded * to_code)), vec4(0), out);
            let byte = bitcast<vec4<u32>>(code) & vec4(255u);
            q[codes + i * 8u + j] = byte.x | (byte.y << 8u) | (byte.z << 16u) | (byte.w << 24u);
            let kept = select(rounded, v, a >= vec4(F16_INFINITY));
            let value = bitcast<vec4<u32>>(select(vec4<f32>(code) * step, kept, out));
            for (var c = 0u; c < 4u; c++) { q[at * 4u + c] = value[c]; }
        }
        q[masks + i] = columns;
    }
    if (lane == 0u) { q[params.m * (params.k / 4u * 5u + units) + m] = scale; }
}
