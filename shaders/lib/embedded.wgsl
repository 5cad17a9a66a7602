// What embeddings share: a value reaches column c of row r of y, and unless next_row is zero, times the weight of the next norm,
// row next_row + r, at a column of its own. The including shader declares next, as lib/product.wgsl says, and y.
struct Params { k: u32, row0: u32, rows: u32, next_row: u32 }

@group(0) @binding(0) var<uniform> params: Params;

fn put(r: u32, c: u32, value: f32) {
    y[r * params.k + c] = value;
    if params.next_row > 0u { y[(params.next_row + r) * params.k + next[c].y] = bitcast<f32>(next[c].x) * value; }
}
