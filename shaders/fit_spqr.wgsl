// Statistics of the group of columns start + first .. + group_size of each row r of w, in two levels:
//   scale = (high - low) / maxq, zero = -low / scale; of sixteen rows each, S = f16(range / maxq2), Z = f16(-low / S) and
//   codes round(x / S + Z), which give the scale and the zero that are used, S (code - Z)
//   statistics[group, r] = used scale, used zero, code of the scale, of the zero; S and Z of scales, S and Z of zeros
// With leave_out the range is that of the weights without which the others' error is not smaller by more than threshold,
// each other one replaced by their mean. w is stored column after column. A lane owns a row.

struct Params {
    rows: u32, start: u32, first: u32, group_size: u32, group: u32, maxq: u32, scale_maxq: u32, zero_maxq: u32,
    leave_out: u32, threshold: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> triangle: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> statistics: array<vec4<f32>>;

const BLOCK = 128u;
const LANES = 32u;
const TOGETHER = 16u;
const LARGEST = 0x1.fffffep+127;

// A lane's weights of the group; then scale and zero of each row.
var<workgroup> values: array<f32, BLOCK * LANES>;

// Scale and zero of a range, which need not reach zero.
fn real_grid(low: f32, high: f32) -> vec2<f32> {
    let range = select(vec2(low, high), vec2(-1.0, 1.0), low == high);
    let scale = (range.y - range.x) / f32(params.maxq);
    return vec2(scale, -range.x / scale);
}

// Sum of the squares of (ŵ - w) / U_cc over the group, without one column.
fn squares(grid: vec2<f32>, without: u32, lane: u32) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < params.group_size; c++) {
        let value = values[c * LANES + lane];
        let code = round(clamp(value / max(grid.x, 1e-9) + grid.y, 0.0, f32(params.maxq)));
        let error = (grid.x * (code - grid.y) - value) / triangle[(params.first + c) * (BLOCK + 1u)];
        sum += select(error * error, 0.0, c == without);
    }
    return sum;
}

fn narrow(x: f32) -> f32 {
    let bits = f16_magnitude(vec4(clamp(x, -65504.0, 65504.0))).x;
    return select(bitcast<f32>(bits), -bitcast<f32>(bits), x < 0.0);
}

// S, Z and the largest code of sixteen values over low to high. Equal values have one code, 1, which is S.
fn second(low: f32, high: f32, maxq: u32) -> vec3<f32> {
    let s = narrow((high - low) / f32(maxq));
    let z = -low / select(s, 1.0, s == 0.0);
    // From 65520 on f16 has infinity.
    if s == 0.0 || abs(z) >= 65520.0 { return vec3(narrow(low + (high - low) / 2.0), 0.0, 0.0); }
    return vec3(s, narrow(z), f32(maxq));
}

fn second_code(x: f32, level: vec3<f32>) -> f32 {
    let code = round(clamp(x / max(level.x, 1e-9) + level.y, 0.0, level.z));
    return select(code, 1.0, level.z == 0.0);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = (group.x + group.z * count.x) * LANES + lane;
    let from_row = min(row, params.rows - 1u);
    let size = params.group_size;
    // The two least and the two greatest: the range without any one weight.
    var low = vec2(LARGEST);
    var high = vec2(-LARGEST);
    for (var c = 0u; c < size; c += 4u) {
        let at = (params.start + params.first + c) * params.rows + from_row;
        let loaded = vec4(w[at], w[at + params.rows], w[at + 2u * params.rows], w[at + 3u * params.rows]);
        for (var i = 0u; i < 4u; i++) {
            values[(c + i) * LANES + lane] = loaded[i];
            low = vec2(min(low.x, loaded[i]), min(low.y, max(low.x, loaded[i])));
            high = vec2(max(high.x, loaded[i]), max(high.y, min(high.x, loaded[i])));
        }
    }
    if params.leave_out != 0u {
        let base = squares(real_grid(low.x, high.x), size, lane);
        var kept = 0.0;
        var kept_low = LARGEST;
        var kept_high = -LARGEST;
        for (var c = 0u; c < size; c++) {
            let value = values[c * LANES + lane];
            let grid = real_grid(select(low.x, low.y, value == low.x), select(high.x, high.y, value == high.x));
            if base - squares(grid, c, lane) <= params.threshold {
                kept += 1.0;
                kept_low = min(kept_low, value);
                kept_high = max(kept_high, value);
            }
        }
        // Others become the mean, which lies within the range; nothing is kept only where all are left out.
        low.x = select(kept_low, 0.0, kept == 0.0);
        high.x = select(kept_high, 0.0, kept == 0.0);
    }
    let exact = real_grid(low.x, high.x);
    values[lane] = exact.x;
    values[LANES + lane] = exact.y;
    workgroupBarrier();
    if row >= params.rows { return; }
    let begin = lane / TOGETHER * TOGETHER;
    var least = vec2(LARGEST);
    var most = vec2(-LARGEST);
    for (var i = begin; i < begin + TOGETHER; i++) {
        let both = vec2(values[i], values[LANES + i]);
        least = min(least, both);
        most = max(most, both);
    }
    let scales = second(least.x, most.x, params.scale_maxq);
    let zeros = second(least.y, most.y, params.zero_maxq);
    let codes = vec2(second_code(exact.x, scales), second_code(exact.y, zeros));
    let at = 2u * (params.group * params.rows + row);
    statistics[at] = vec4(scales.x * (codes.x - scales.y), zeros.x * (codes.y - zeros.y), codes);
    statistics[at + 1u] = vec4(scales.xy, zeros.xy);
}
