// Sum and maximum over a workgroup of WG invocations, WG a power of two; every invocation gets the
// result. The order of additions depends on WG alone.
var<workgroup> reduce_words: array<f32, WG>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
    reduce_words[lane] = value;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if lane < half {
            reduce_words[lane] += reduce_words[lane + half];
        }
        workgroupBarrier();
    }
    let total = reduce_words[0];
    workgroupBarrier();
    return total;
}

fn workgroup_max(value: f32, lane: u32) -> f32 {
    reduce_words[lane] = value;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if lane < half {
            reduce_words[lane] = max(reduce_words[lane], reduce_words[lane + half]);
        }
        workgroupBarrier();
    }
    let total = reduce_words[0];
    workgroupBarrier();
    return total;
}
