// grids[g, r] = scale and zero of w over the columns columns[g * group_size ..][.. group_size] of row r:
// scale = (high - low) / maxq, zero = round(-low / scale), the range reaching 0; with sym high = -low and zero is the
// middle. With mse, of 80 shares of that range the one with the least sum |w - ŵ|^mse.
// w is stored column after column. A lane owns a row.

struct Params { rows: u32, group_size: u32, first: u32, maxq: u32, sym: u32, reference_sym: u32, f16_scale: u32, mse: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<u32>;
@group(0) @binding(3) var<storage, read_write> grids: array<vec2<f32>>;

const SMALLEST = 0x1p-126;
const SMALLEST_F16 = 0x1p-24;
const SHARES = 80u;

// Four weights of a group, whose columns are whole fours: loads go out together.
fn load(at: u32, row: u32) -> vec4<f32> {
    let c = vec4(columns[at], columns[at + 1u], columns[at + 2u], columns[at + 3u]) * params.rows + row;
    return vec4(w[c.x], w[c.y], w[c.z], w[c.w]);
}

// Scale and zero of a share of a range.
fn grid(low: f32, high: f32) -> vec2<f32> {
    let maxq = f32(params.maxq);
    var scale = max((high - low) / maxq, SMALLEST);
    if params.f16_scale != 0u {
        scale = max(bitcast<f32>(f16_magnitude(vec4(scale)).x), SMALLEST_F16);
    }
    return vec2(scale, select(clamp(round(-low / scale), 0.0, maxq), (maxq + 1.0) / 2.0, params.sym != 0u));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = (group.x + group.z * groups.x) * 64u + lane;
    if row >= params.rows { return; }
    let g = params.first + group.y;
    let begin = g * params.group_size;
    let end = begin + params.group_size;
    var lows = vec4(0.0);
    var highs = vec4(0.0);
    for (var at = begin; at < end; at += 4u) {
        let values = load(at, row);
        lows = min(lows, values);
        highs = max(highs, values);
    }
    var low = min(min(lows.x, lows.y), min(lows.z, lows.w));
    var high = max(max(highs.x, highs.y), max(highs.z, highs.w));
    if params.sym != 0u {
        high = max(high, -low);
        if low < 0.0 || params.reference_sym == 0u { low = -high; }
    }
    if low == 0.0 && high == 0.0 {
        low = -1.0;
        high = 1.0;
    }
    var best = grid(low, high);
    if params.mse > 0.0 {
        var least = 0.0;
        for (var hundredths = 0u; hundredths < SHARES; hundredths++) {
            let share = 1.0 - f32(hundredths) / 100.0;
            let tried = grid(share * low, share * high);
            var errors = vec4(0.0);
            for (var at = begin; at < end; at += 4u) {
                let values = load(at, row);
                let levels = round(clamp(values / tried.x, vec4(-tried.y), vec4(f32(params.maxq) - tried.y)));
                errors += pow(abs(tried.x * levels - values), vec4(params.mse));
            }
            let error = errors.x + errors.y + errors.z + errors.w;
            if hundredths == 0u || error < least {
                least = error;
                best = tried;
            }
        }
    }
    grids[g * params.rows + row] = best;
}
