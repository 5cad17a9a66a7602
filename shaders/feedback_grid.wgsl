// For the columns c of a block, start <= c < start + len, one after another, of each row of w:
//   v = w[c] - sum over k < c of the block of e[k] * triangle[c, k]
//   level = round(clamp(v / scale, -zero, maxq - zero)),  e[c] = (v - scale * level) / triangle[c, c]
//   w[c] = level + zero, the code,  errors[c] = e[c],  loss += e[c]^2
// w and errors are stored column after column.

struct Params { rows: u32, start: u32, len: u32, maxq: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> triangle: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> groups: array<u32>;
@group(0) @binding(3) var<storage, read> grids: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> w: array<f32>;
@group(0) @binding(5) var<storage, read_write> errors: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = (group.x + group.z * count.x) * LANES + lane;
    if row >= params.rows { return; }
    var g = groups[params.start];
    var squares = loss[row];
    for (var c = 0u; c < params.len; c++) {
        // The next column's group is loaded with this one's values: the grid's address waits for nothing.
        let grid = grids[g * params.rows + row];
        let at = (params.start + c) * params.rows + row;
        let value = w[at];
        g = groups[params.start + min(c + 1u, params.len - 1u)];
        let fed_value = value - fed(0u, c, lane);
        let level = round(clamp(fed_value / grid.x, -grid.y, f32(params.maxq) - grid.y));
        let error = (fed_value - grid.x * level) / pivot(c);
        e[c * LANES + lane] = error;
        squares += error * error;
        errors[c * params.rows + row] = error;
        w[at] = level + grid.y;
    }
    loss[row] = squares;
}
