// The outliers of SpQR weights, added to a row of w by a lane that walks along it. Append to lib/weights_spqr.wgsl.

// Outliers of a row that lie ahead: entry `at` of `sparse`, which is `next`, and those after it, `end` not among them. So an
// outlier is loaded long before it is needed.
struct Outliers { at: u32, end: u32, next: u32 }

fn outliers_of(n: u32) -> Outliers {
    let first = params.n + 4u;
    let at = first + sparse[n];
    return Outliers(at, first + sparse[n + 1u], sparse[at]);
}

// Adds to weights k to k + 3 their outliers. Those before k are passed.
fn with_outliers(ahead: ptr<function, Outliers>, k: u32, quad: vec4<f32>) -> vec4<f32> {
    var w = quad;
    while ((*ahead).at < (*ahead).end && ((*ahead).next & 0xffffu) < k + 4u) {
        let place = vec4(((*ahead).next & 0xffffu) - k);
        w += select(vec4(0.0), vec4(unpack2x16float((*ahead).next).y), place == vec4(0u, 1u, 2u, 3u));
        (*ahead).at += 1u;
        (*ahead).next = sparse[(*ahead).at]; // a word follows the last one
    }
    return w;
}
