// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// with w[n, k] = scale[g, n] * (code[n, k] - zero[g, n]), stored as lib/weights_grid.wgsl says; append to a lib/grid_
// file, which says how a code becomes a float. Needs SUBGROUP. For m from 1 to 8.
// A workgroup owns TILE neighbouring n of one m, a multiple of ROWS. A subgroup, of whatever size, takes ROWS of them;
// where there are more subgroups than that, they share k and meet in workgroup memory. A lane has a unit of 32 codes
// of ROWS rows, so four lanes read 64 bytes of x in a row; all its loads go out before the first is used.
//
// A code lies in the bits of a float as 1 + code / s, without a conversion, s by the code's place. The sum of x * code
// is that of s * x * (1 + code / s), `coded_sum`, less that of s * x, `offset_sum`, which is the same for all rows.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> scales: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> zeros: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

override WG: u32 = 128u;
override TILE: u32 = 4u;
override GROUP: u32 = 4u; // units of a group of columns

const ROWS = 4u;
var<workgroup> partial: array<vec4<f32>, 64>; // of each subgroup, which has at least four lanes

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let tile = (group.x + group.z * groups.x) * TILE;
    let m = group.y;
    let units = params.k / 32u;
    let stride = (params.k + 127u) / 128u * 4u;
    let span = min(GROUP & (~GROUP + 1u), 4u);
    let last = params.n - 1u;

    // `sets` of ROWS rows at once, `shares` subgroups to each.
    let sets = min(subgroups, TILE / ROWS);
    let shares = subgroups / sets;
    let share = subgroup / sets;
    for (var round = 0u; round < TILE; round += sets * ROWS) {
        let n0 = tile + round + subgroup % sets * ROWS;
        let stop = select(0u, units, n0 < params.n && share < shares);
        let row = vec4(n0, min(vec3(n0) + vec3(1u, 2u, 3u), vec3(last))) * stride;
        let stats = n0 / ROWS * (units / GROUP);
        var acc: vec4<f32>;
        for (var i = share * lanes + lane; i < stop; i += shares * lanes) {
            let q = m * (params.k / 4u) + i / span * span * 8u + i % span;
            let x0 = x[q];
            let x1 = x[q + 1u * span];
            let x2 = x[q + 2u * span];
            let x3 = x[q + 3u * span];
            let x4 = x[q + 4u * span];
            let x5 = x[q + 5u * span];
            let x6 = x[q + 6u * span];
            let x7 = x[q + 7u * span];
            let c0 = load_codes(row.x + i);
            let c1 = load_codes(row.y + i);
            let c2 = load_codes(row.z + i);
            let c3 = load_codes(row.w + i);
            let words = scales[stats + i / GROUP];
            let scale = vec4(unpack2x16float(words.x), unpack2x16float(words.y));
            let zero = four_zeros(stats + i / GROUP);

            let xs = array(x0, x1, x2, x3, x4, x5, x6, x7);
            let quad = ((x0 + x1) + (x2 + x3)) + ((x4 + x5) + (x6 + x7));
            let coded = vec4(coded_sum(c0, xs), coded_sum(c1, xs), coded_sum(c2, xs), coded_sum(c3, xs));
            acc += scale * ((coded - offset_sum(quad)) - zero * ((quad.x + quad.y) + (quad.z + quad.w)));
        }
        let whole = vec4(subgroupAdd(acc.x), subgroupAdd(acc.y), subgroupAdd(acc.z), subgroupAdd(acc.w));
        if (lane == 0u) { partial[subgroup] = whole; }
        workgroupBarrier();
        // A lane a row; the first lane of a subgroup is where the shares of its set begin.
        let r = lane % ROWS;
        if (share == 0u && lane < ROWS && n0 + r < min(params.n, tile + TILE)) {
            var of_row = 0.0;
            for (var s = 0u; s < shares; s++) { of_row += partial[subgroup + s * sets][r]; }
            store(m, n0 + r, of_row);
        }
        workgroupBarrier();
    }
}
