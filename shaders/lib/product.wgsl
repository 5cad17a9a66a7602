// What every product y[m, n] = sum_k x[m, k] * w[n, k] shares: its parameters, and how a sum reaches y:
// + bias[n] if flags bit 0, + old y[m, n] if flags bit 1. With flags bit 2 the first half of w are rows of a gate, and
// y[m, n] = silu(product n) * product n + half of them; only matvecs have it. The including shader declares bias and y.

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

// Rows of w that one pass of a workgroup may go over: all, or those of the gate and then as many more.
fn rows_of_pass() -> u32 { return select(params.n, params.n / 2u, (params.flags & 4u) != 0u); }

// A lane stores row n of the gate before row n + half.
fn store(m: u32, n: u32, sum: f32) {
    let rows = rows_of_pass();
    let at = m * params.y_stride + params.y_col + n - select(0u, rows, n >= rows);
    var value = sum;
    if ((params.flags & 1u) != 0u) { value += bias[params.bias_col + n]; }
    if ((params.flags & 2u) != 0u) { value += y[at]; }
    if (n >= rows) { value *= silu(y[at]); }
    y[at] = value;
}
