// For the columns c of a group, first <= c < first + len of the block from column start on, one after another, of each
// row of w:
//   v = w[c] - sum over k from first to c - 1 of e[k] * triangle[c, k],  q = round(clamp(v / scale + zero, 0, maxq))
//   e[c] = (v - scale * (q - zero)) / triangle[c, c]
// Where e[c]^2 > threshold, v is an outlier: q = round(clamp(zero, 0, maxq)), d = f16(v - scale * (q - zero)), and e[c] is
// what d leaves. w[c] = q, for an outlier d with its last bit set;  errors[c] = e[c],  loss += e[c]^2
// w and errors are stored column after column.

struct Params { rows: u32, start: u32, first: u32, len: u32, group: u32, maxq: u32, threshold: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> triangle: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> statistics: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> errors: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = (group.x + group.z * count.x) * LANES + lane;
    if row >= params.rows { return; }
    let grid = statistics[2u * (params.group * params.rows + row)].xy;
    let maxq = f32(params.maxq);
    let scale = max(grid.x, 1e-9);
    var squares = loss[row];
    for (var c = params.first; c < params.first + params.len; c++) {
        let at = (params.start + c) * params.rows + row;
        let value = w[at] - fed(params.first, c, lane);
        let u = pivot(c);
        let code = round(clamp(value / scale + grid.y, 0.0, maxq));
        var found = code;
        var error = (value - grid.x * (code - grid.y)) / u;
        if error * error > params.threshold {
            let zero_code = round(clamp(grid.y, 0.0, maxq));
            let dense = grid.x * (zero_code - grid.y);
            // f16 leaves the last bits of an f32 zero. An outlier of nothing is none.
            let outlier = unpack2x16float(f16_bits(vec4(value - dense)).x).x;
            found = select(bitcast<f32>(bitcast<u32>(outlier) | 1u), zero_code, outlier == 0.0);
            error = (value - (dense + outlier)) / u;
        }
        e[c * LANES + lane] = error;
        squares += error * error;
        errors[c * params.rows + row] = error;
        w[at] = found;
    }
    loss[row] = squares;
}
