// What every product y[m, n] = sum_k x[m, k] * w[n, k] shares: its parameters, and how a sum reaches y. By the bits of flags:
//  1  + bias[n]
//  2  + old y[m, n]: the residual stream
//  4  the first half of w are rows of a gate, and y[m, n] = silu(product n) * product n + half of them
//  8  the new y[m, n] times the weight of the next norm also goes to row params.m + m, to a column of its own
// 16  y's columns are those of the next product's weight, in its own order
// 32  x are such rows, params.m of them behind the residual stream's; sums are times 1 / sqrt(mean of its squares + eps)
// 32 is for matvecs. The including shader declares bias, next and y; next[n] is the weight of the next norm, as f32,
// and a column.

struct Params {
    m: u32, k: u32, n: u32,
    y_stride: u32, // columns of the whole output
    y_col: u32,    // where this part's begin there, and in the bias
    bias_col: u32,
    flags: u32,
    group_size: u32, // columns that share a scale, where the format has groups
    eps: f32,
    threshold: f32, // LLM.int8(): the least outlier
}

@group(0) @binding(0) var<uniform> params: Params;

// How products of many rows store a sum: bits 1 and 2.
fn store(m: u32, n: u32, sum: f32) {
    let at = m * params.y_stride + params.y_col + n;
    var value = sum;
    if ((params.flags & 1u) != 0u) { value += bias[params.bias_col + n]; }
    if ((params.flags & 2u) != 0u) { value += y[at]; }
    y[at] = value;
}
