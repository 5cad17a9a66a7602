// Sums of a workgroup of eight lanes for 8 * GROUPS rows of m by NT * LANES columns of n, and how they reach y. Lane l owns
// columns l, l + LANES, ... of it. The including shader says what `scale_of_sum` of row n of w is.

const LANES = 8u;
const GROUPS = 4u;
const MT = 8u * GROUPS;
const NT = 4u;
const RUN = NT / 2u * LANES;

alias Sums = array<array<array<f32, NT>, 8>, GROUPS>;

fn store_sums(m0: u32, n0: u32, lane: u32, acc: ptr<function, Sums>) {
    let own = NT >> GATED;
    let rows = min(MT, params.m - m0);
    for (var t = 0u; t < rows * own; t++) {
        let m = m0 + t / own;
        let n = n0 + t % own * LANES + lane;
        let at = t / own * NT + t % own;
        if (n < outputs()) {
            let sum = sum_of(acc, at) * scale_of_sum(n);
            if (GATED == 0u) {
                store(m, n, sum);
            } else {
                store_gated(m, n, sum, sum_of(acc, at + NT / 2u) * scale_of_sum(n + outputs()));
            }
        }
    }
}

// Sum `at` of all. By selects in a rolled loop, which compile far faster than stores unrolled, or than an array indexed at
// run time.
fn sum_of(acc: ptr<function, Sums>, at: u32) -> f32 {
    var sum = 0.0;
    for (var g = 0u; g < GROUPS; g++) {
        for (var r = 0u; r < 8u; r++) {
            for (var c = 0u; c < NT; c++) {
                sum = select(sum, (*acc)[g][r][c], at == (g * 8u + r) * NT + c);
            }
        }
    }
    return sum;
}
