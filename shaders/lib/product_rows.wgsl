// Shared by products of many rows: which rows of w a tile's columns are, and how they store. Append to lib/product.wgsl.
// In a gated product (flags bit 2) runs of RUN columns, which the variant sets, are by turns rows of the gate and the rows
// of the other half that it multiplies: whoever computes a tile has both, and stores half as many columns.

override GATED: u32 = 0u; // flags bit 2, for the compiler

// The number of y's columns.
fn outputs() -> u32 { return params.n >> GATED; }

// The row of w for column c of a tile that stores from column n0 on; the last one for a column beyond it.
fn row_of(n0: u32, c: u32) -> u32 {
    if (GATED == 0u) { return min(n0 + c, params.n - 1u); }
    let n = n0 + c / (2u * RUN) * RUN + c % RUN;
    return min(n, outputs() - 1u) + select(0u, outputs(), c % (2u * RUN) >= RUN);
}

fn biased(n: u32, sum: f32) -> f32 {
    if ((params.flags & 1u) != 0u) { return sum + bias[params.bias_col + n]; }
    return sum;
}

// Stores silu of the sum of the gate's row n times that of row n of the other half. Bounded so that exp stays finite:
// beyond it the quotient is zero to f32 anyway.
fn store_gated(m: u32, n: u32, gate: f32, sum: f32) {
    let g = biased(n, gate);
    y[m * params.y_stride + params.y_col + n] = g / (1.0 + exp(min(-g, 87.0))) * biased(n + outputs(), sum);
}
