// What products of one row, or a few, share: x / sqrt(mean(x^2) + eps) as a factor of their sums, with flags bit 5, and how
// they store a sum. Append to lib/product.wgsl.

override NORMED: u32 = 0u; // flags bit 5, for the compiler

fn is_normed() -> bool { return NORMED == 1u; }

// The row of x that is multiplied for row m of y.
fn x_row(m: u32) -> u32 { return select(m, params.m + m, is_normed()); }

fn norm_scale(squares: f32) -> f32 { return 1.0 / sqrt(squares / f32(params.k) + params.eps); }

// Bounded so that exp stays finite: beyond it the quotient is zero to f32 anyway.
fn silu(x: f32) -> f32 { return x / (1.0 + exp(min(-x, 87.0))); }

override PASSES: u32 = 1u; // of a matvec's workgroup: 2 where the first half of w is a gate

// Rows of w that a pass is over.
fn rows_of_pass() -> u32 { return params.n / PASSES; }

// A lane stores row n of the gate before row n + half.
fn store_row(m: u32, n: u32, sum: f32) {
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
