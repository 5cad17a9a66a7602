// For the columns c of a block, start <= c < start + len, one after another, of each row of w:
//   v = w[c] - sum over k < c of the block of e[k] * triangle[c, k]
//   level = round(clamp(v / scale, -zero, maxq - zero)),  e[c] = (v - scale * level) / triangle[c, c]
//   w[c] = level + zero, the code,  errors[c] = e[c],  loss += e[c]^2
// triangle[c, k] = U[k, c] within the block, 0 for k > c. w and errors are stored column after column. A lane owns a
// row and its errors in workgroup memory, so that no lane waits for another.

struct Params { rows: u32, start: u32, len: u32, maxq: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> triangle: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> groups: array<u32>;
@group(0) @binding(3) var<storage, read> grids: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> w: array<f32>;
@group(0) @binding(5) var<storage, read_write> errors: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;

const BLOCK = 128u;
const LANES = 32u;

var<workgroup> e: array<f32, BLOCK * LANES>;

fn four(at: u32) -> vec4<f32> {
    return vec4(e[at], e[at + LANES], e[at + 2u * LANES], e[at + 3u * LANES]);
}

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
        // Errors are summed in eights, and those still to come are zero.
        if c % 8u == 0u {
            for (var k = c; k < c + 8u; k++) { e[k * LANES + lane] = 0.0; }
        }
        var sums = vec4(0.0);
        for (var k = 0u; k < c; k += 8u) {
            let u = triangle[(c * BLOCK + k) / 4u];
            let v = triangle[(c * BLOCK + k) / 4u + 1u];
            sums += u * four(k * LANES + lane);
            sums += v * four((k + 4u) * LANES + lane);
        }
        let fed = value - (sums.x + sums.y + sums.z + sums.w);
        let level = round(clamp(fed / grid.x, -grid.y, f32(params.maxq) - grid.y));
        let error = (fed - grid.x * level) / triangle[(c * BLOCK + c) / 4u][c % 4u];
        e[c * LANES + lane] = error;
        squares += error * error;
        errors[c * params.rows + row] = error;
        w[at] = level + grid.y;
    }
    loss[row] = squares;
}
