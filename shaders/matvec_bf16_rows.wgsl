// y[r, n] (+)= sum over k of x[r, k] * w[n, k] (+ bias[n])
// One invocation computes eight neighbouring n of one row.
struct Params { m: u32, k: u32, n: u32, y_stride: u32, y_col: u32, flags: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

override WG: u32 = 8;

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n0 = ((group.x + group.z * groups.x) * WG + lane) * 8u;
    let row = group.y;
    let words = params.k / 8u;
    var sums = array<f32, 8>();
    for (var i = 0u; i < words; i++) {
        let low = x[row * words * 2u + 2u * i];
        let high = x[row * words * 2u + 2u * i + 1u];
        for (var r = 0u; r < 8u; r++) {
            let q = w[min(n0 + r, params.n - 1u) * words + i];
            let even = bitcast<vec4<f32>>(q << vec4(16u));
            let odd = bitcast<vec4<f32>>(q & vec4(0xffff0000u));
            sums[r] += dot(even, vec4(low.xz, high.xz)) + dot(odd, vec4(low.yw, high.yw));
        }
    }
    for (var r = 0u; r < 8u; r++) {
        let n = n0 + r;
        if n < params.n {
            let at = row * params.y_stride + params.y_col + n;
            var sum = sums[r];
            if (params.flags & 1u) != 0u {
                sum += bias[params.y_col + n];
            }
            if (params.flags & 2u) != 0u {
                sum += y[at];
            }
            y[at] = sum;
        }
    }
}
