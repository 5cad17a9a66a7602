// What every product y[m, n] = sum_k x[m, k] * w[n, k] shares: its parameters, and how a sum reaches y. By the bits of flags:
//  1  + bias[n]
//  2  + old y[m, n]: the residual stream
//  4  the first half of w are rows of a gate, and y[m, n] = silu(product n) * product n + half of them
//  8  the new y[m, n] times the weight of the next norm also goes to row params.m + m, to a column of its own
// 16  y's columns are those of the next product's weight, in its own order
// 32  x are such rows, params.m of them behind the residual stream's; sums are times 1 / sqrt(mean of its squares + eps)
// 4 and 32 are for matvecs. The including shader declares bias, next and y; next[n] is the weight of the next norm, as f32,
// and a column.

struct Params {
    m: u32, k: u32, n: u32,
    y_stride: u32, // columns of the whole output
    y_col: u32,    // where this part's begin there, and in the bias
    bias_col: u32,
    flags: u32,
    group_size: u32, // columns that share a scale, where the format has groups
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

// Bounded so that exp stays finite: beyond it the quotient is zero to f32 anyway.
fn silu(x: f32) -> f32 { return x / (1.0 + exp(min(-x, 87.0))); }

override PASSES: u32 = 1u; // of a matvec's workgroup: 2 where the first half of w is a gate

// Rows of w that a pass is over.
fn rows_of_pass() -> u32 { return params.n / PASSES; }

// A lane stores row n of the gate before row n + half.
fn store(m: u32, n: u32, sum: f32) {
    let rows = rows_of_pass();
    let col = params.y_col + n - select(0u, rows, n >= rows);
    var at = m * params.y_stride + col;
    if ((params.flags & 16u) != 0u) { at = m * params.y_stride + next[col].y; }
    var value = sum;
    if ((params.flags & 1u) != 0u) { value += bias[params.bias_col + n]; }
    if ((params.flags & 2u) != 0u) { value += y[at]; }
    if (n >= rows) { value *= silu(y[at]); }
    y[at] = value;
    if ((params.flags & 8u) != 0u) {
        y[(params.m + m) * params.y_stride + next[col].y] = bitcast<f32>(next[col].x) * value;
    }
}
