// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// with x and w rounded to f16 and sums in f32. Append to a lib/tile_ file, which says what a tile of SIDE x SIDE values is
// and which lanes hold it together, a team, to a lib/weights_ file, which says what w is, and to lib/walked_outliers.wgsl or
// lib/no_outliers.wgsl. k is a multiple of 32. For m from 2 on.
// A workgroup owns TILE_ROWS of m by TILE_COLS of n, no more, cut into blocks of HIGH x 2 tiles, a team each. It has a team for
// each block where subgroups have LANES lanes, the adapter's most. Where they have fewer, teams are left that only help
// to fill workgroup memory; were there too few teams, they would take blocks in turns. STEP, a multiple of 32, is how much
// of k is in workgroup memory at a time.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

override LANES: u32 = 32u;
override TILE_ROWS: u32 = 64u;
override TILE_COLS: u32 = 64u;
override HIGH: u32 = TILE_ROWS / 32u;
override STEP: u32 = 32u;
const RUN = SIDE;
override ACROSS: u32 = TILE_COLS / (2u * SIDE); // blocks of a row
override BLOCKS: u32 = TILE_ROWS / (HIGH * SIDE) * ACROSS;
override WG: u32 = LANES * BLOCKS;
override STEP_WORDS: u32 = STEP / 8u;
override STEP_QUADS: u32 = STEP / 4u;
override FILLS: u32 = TILE_ROWS * STEP_WORDS;
override W_FILLS: u32 = TILE_COLS * STEP_WORDS; // the first of them, which have weights
override STRIDE: u32 = STEP + 8u; // of a row of x_tile and w_tile; the 8 keep rows off one bank
// By name, because naga cannot compute them within an array's type.
override X_VALUES: u32 = TILE_ROWS * STRIDE;
override W_VALUES: u32 = TILE_COLS * STRIDE;
override STAGED: u32 = BLOCKS * SIDE * SIDE;

var<workgroup> y_tile: array<f32, STAGED>; // one tile of each block, or two of every other block

// The nearest value that is finite in f16.
fn limited(v: vec4<f32>) -> vec4<f32> { return clamp(v, vec4(-65504.0), vec4(65504.0)); }

// A lane's part of a step in workgroup memory: two quads of x, half a tile apart, so that lanes side by side read on;
// and eight weights, of row n, two quads from columns k of a step on.
struct Fill { x_at: vec2<u32>, x_to: vec2<u32>, n: u32, word: u32, k: vec2<u32>, w_to: vec2<u32>, has_weights: bool }

fn fill_at(unit: u32, m0: u32, n0: u32) -> Fill {
    let quad = unit % STEP_QUADS;
    let row = unit / STEP_QUADS + vec2(0u, TILE_ROWS / 2u);
    let word = unit % STEP_WORDS;
    let r = unit / STEP_WORDS;
    let k = word / 4u * 32u + places(word);
    return Fill(min(vec2(m0) + row, vec2(params.m - 1u)) * (params.k / 4u) + quad, row * STRIDE + quad * 4u,
                row_of(n0, r), word, k, k + r * STRIDE, r < TILE_COLS);
}

fn store_tile(m0: u32, n0: u32, staged: u32) {
    for (var e = tile_lane; e < SIDE * SIDE; e += tile_lanes) {
        let m = m0 + e / SIDE;
        let n = n0 + e % SIDE;
        if (m < params.m && n < outputs()) {
            if (GATED == 0u) {
                store(m, n, y_tile[staged + e]);
            } else {
                store_gated(m, n, y_tile[staged + e], y_tile[staged + SIDE * SIDE + e]);
            }
        }
    }
}

fn compute(group: vec3<u32>, groups: vec3<u32>, lane: u32, team: u32, teams: u32) {
    let m0 = group.y * TILE_ROWS;
    let n0 = (group.x + group.z * groups.x) * (TILE_COLS >> GATED);
    let words = params.k / 8u;
    var fills: array<Fill, 2>;
    var ahead: array<Outliers, 2>;
    for (var first = 0u; first < BLOCKS; first += teams) {
        let block = first + team;
        let own = block < BLOCKS;
        let row = block / ACROSS * (HIGH * SIDE);
        let col = block % ACROSS * (2u * SIDE);

        var c00 = tile_zero();
        var c01 = tile_zero();
        var c10 = tile_zero();
        var c11 = tile_zero();
        var c20 = tile_zero();
        var c21 = tile_zero();
        var c30 = tile_zero();
        var c31 = tile_zero();
        for (var i = 0u; i < words; i += STEP / 8u) {
            // Two fills of a lane at a time, whose loads go out together: two quads of x, eight weights each.
            for (var first_fill = lane; first_fill < FILLS; first_fill += 2u * WG) {
                if (i == 0u || FILLS > 2u * WG) {
                    for (var u = 0u; u < 2u; u++) { fills[u] = fill_at(first_fill + u * WG, m0, n0); }
                }
                // A lane that fills more than two rows walks along each anew.
                if (i == 0u || W_FILLS > 2u * WG) {
                    for (var u = 0u; u < 2u; u++) {
                        if (fills[u].has_weights) { ahead[u] = outliers_of(fills[u].n); }
                    }
                }
                var xs: array<array<vec4<f32>, 2>, 2>;
                var ws: array<Loaded, 2>;
                for (var u = 0u; u < 2u; u++) {
                    if (first_fill + u * WG < FILLS) {
                        for (var h = 0u; h < 2u; h++) { xs[u][h] = x[fills[u].x_at[h] + i * 2u]; }
                        if (fills[u].has_weights) { ws[u] = load(fills[u].n, i + fills[u].word); }
                    }
                }
                for (var u = 0u; u < 2u; u++) {
                    if (first_fill + u * WG < FILLS) {
                        for (var h = 0u; h < 2u; h++) { put_x(fills[u].x_to[h], limited(xs[u][h])); }
                        if (fills[u].has_weights) {
                            let w = weights(ws[u], fills[u].n, i + fills[u].word);
                            let k = i * 8u + fills[u].k;
                            var own = ahead[u];
                            put_w(fills[u].w_to.x, limited(with_outliers(&own, k.x, w[0])));
                            put_w(fills[u].w_to.y, limited(with_outliers(&own, k.y, w[1])));
                            ahead[u] = own;
                        }
                    }
                }
            }
            workgroupBarrier();
            if (own) {
                for (var k = 0u; k < STEP; k += SIDE) {
                    let b0 = tile_load_b(col * STRIDE + k);
                    let b1 = tile_load_b((col + SIDE) * STRIDE + k);
                    let a0 = tile_load_a(row * STRIDE + k);
                    let a1 = tile_load_a((row + SIDE) * STRIDE + k);
                    c00 = tile_mul_add(a0, b0, c00);
                    c01 = tile_mul_add(a0, b1, c01);
                    c10 = tile_mul_add(a1, b0, c10);
                    c11 = tile_mul_add(a1, b1, c11);
                    if (HIGH == 4u) {
                        let a2 = tile_load_a((row + 2u * SIDE) * STRIDE + k);
                        let a3 = tile_load_a((row + 3u * SIDE) * STRIDE + k);
                        c20 = tile_mul_add(a2, b0, c20);
                        c21 = tile_mul_add(a2, b1, c21);
                        c30 = tile_mul_add(a3, b0, c30);
                        c31 = tile_mul_add(a3, b1, c31);
                    }
                }
            }
            workgroupBarrier();
        }

        // Of a gated product a block stages a gate's tile and the one beside it, which takes the place of two blocks: even
        // blocks have the first turn, odd ones the second.
        let staged = (block - GATED * (block % 2u)) * SIDE * SIDE;
        for (var t = 0u; t < 2u * HIGH; t++) {
            let turn = own && (GATED == 0u || block % 2u == t % 2u);
            for (var beside = 0u; beside <= GATED; beside++) {
                let at = staged + beside * SIDE * SIDE;
                if (turn) {
                    // A switch, because tiles can not be put in an array.
                    switch select(t, t / 2u * 2u + beside, GATED == 1u) {
                        case 0u: { tile_store(c00, at, SIDE); }
                        case 1u: { tile_store(c01, at, SIDE); }
                        case 2u: { tile_store(c10, at, SIDE); }
                        case 3u: { tile_store(c11, at, SIDE); }
                        case 4u: { tile_store(c20, at, SIDE); }
                        case 5u: { tile_store(c21, at, SIDE); }
                        case 6u: { tile_store(c30, at, SIDE); }
                        default: { tile_store(c31, at, SIDE); }
                    }
                }
            }
            workgroupBarrier();
            if (turn) {
                let n = n0 + select(col + t % 2u * SIDE, col / 2u, GATED == 1u);
                store_tile(m0 + row + t / 2u * SIDE, n, staged);
            }
            workgroupBarrier();
        }
    }
}
