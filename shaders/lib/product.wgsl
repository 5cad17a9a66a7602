// What every product y[m, n] = sum_k x[m, k] * w[n, k] shares: its parameters, and how a sum reaches y:
// + bias[n] if flags bit 0, + old y[m, n] if flags bit 1, * silu(old y[m, n]) if flags bit 2. The including shader
// declares bias and y.

struct Params {
    m: u32, k: u32, n: u32,
    y_stride: u32, // columns of the whole output
    y_col: u32,    // where this part's begin there, and in the bias
    bias_col: u32,
    flags: u32,
    group_size: u32, // columns that share a scale, where the format has groups
}

@group(0) @binding(0) var<uniform> params: Params;

// Bounded so that exp stays finite: beyond it the quotient is zero to f32 anyway.
fn silu(x: f32) -> f32 { return x / (1.0 + exp(min(-x, 87.0))); }

fn store(m: u32, n: u32, sum: f32) {
    let at = m * params.y_stride + params.y_col + n;
    var value = sum;
    if ((params.flags & 1u) != 0u) { value += bias[params.bias_col + n]; }
    if ((params.flags & 6u) != 0u) {
        let old = y[at];
        if ((params.flags & 2u) != 0u) { value += old; } else { value *= silu(old); }
    }
    y[at] = value;
}
