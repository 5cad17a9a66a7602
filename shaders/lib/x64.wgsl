// x for matvecs whose lanes walk k together in blocks of 128 columns: each loads an eighth of half a block, as f32
// pairs, and broadcasts hand it to the others. Append to lib/u64.wgsl and a lib/codes_ file. Needs SUBGROUP and a
// workgroup of eight lanes.

@group(0) @binding(1) var<storage, read> x: array<vec4<u64>>;

// The eight columns that this lane loaded; both units times PRESCALE.
struct HalfBlock { own: array<vec4<f32>, 2>, first: array<vec4<f32>, 8>, second: array<vec4<f32>, 8> }

// Half h of block b of row m, columns in order: the first unit ends where the second begins.
fn load_half(m: u32, b: u32, h: u32, lane: u32) -> HalfBlock {
    var half = load_own(m, b * 16u + h * 8u + lane);
    let low = half.own[0] * PRESCALE;
    let high = half.own[1] * PRESCALE;
    for (var j = 0u; j < 4u; j++) {
        half.first[2u * j] = subgroupShuffle(low, j);
        half.first[2u * j + 1u] = subgroupShuffle(high, j);
        half.second[2u * j] = subgroupShuffle(low, j + 4u);
        half.second[2u * j + 1u] = subgroupShuffle(high, j + 4u);
    }
    return half;
}

// The same where the units take turns, four columns each, over one half or over both.
fn load_dealt(m: u32, b: u32, h: u32, lane: u32, both: bool) -> HalfBlock {
    var half = load_own(m, b * 16u + select(h * 8u + lane, lane * 2u + h, both));
    let low = half.own[0] * PRESCALE;
    let high = half.own[1] * PRESCALE;
    for (var j = 0u; j < 8u; j++) {
        half.first[j] = subgroupShuffle(low, j);
        half.second[j] = subgroupShuffle(high, j);
    }
    return half;
}

fn load_own(m: u32, e: u32) -> HalfBlock {
    var half: HalfBlock;
    if (e < params.k / 8u) {
        let words = x[m * (params.k / 8u) + e];
        half.own = array(bitcast<vec4<f32>>(halves(words.xy)), bitcast<vec4<f32>>(halves(words.zw)));
    }
    return half;
}
