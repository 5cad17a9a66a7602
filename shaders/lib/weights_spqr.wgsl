// w[n, k] = s * (code[n, k] - z), + outlier[n, k] where OUTLIERS is 1. Append to lib/group_spqr.wgsl, which says
// what s and z are.
// sparse: where each row's outliers start and the last one's end, n + 1 of n + 4 words, then the outliers
// by rows and columns: the column in the low half, the value in f16 in the high one.

@group(0) @binding(5) var<storage, read> sparse: array<u32>;

override OUTLIERS: u32 = 0u;

// Weights 8 i to 8 i + 7 of row n.
fn weights(n: u32, i: u32) -> array<vec4<f32>, 2> {
    let codes = eight_codes(first_unit(n) + i / 4u, i % 4u);
    let group = load_group(n / 8u, i * 8u / params.group_size);
    let scale = scale_of(group, n % 8u);
    let zero = vec4(zero_of(group, n % 8u));
    var w = array(scale * (codes[0] - zero), scale * (codes[1] - zero));
    if (OUTLIERS == 1u) { add_outliers(n, i * 8u, &w); }
    return w;
}

// Adds the outliers of columns `first` to first + 7 of row n.
fn add_outliers(n: u32, first: u32, w: ptr<function, array<vec4<f32>, 2>>) {
    let entries = params.n + 4u;
    // By halves: the first outlier that is not before those columns.
    var low = sparse[n];
    var high = sparse[n + 1u];
    while (low < high) {
        let middle = (low + high) / 2u;
        if ((sparse[entries + middle] & 0xffffu) < first) { low = middle + 1u; } else { high = middle; }
    }
    for (; low < sparse[n + 1u]; low++) {
        let outlier = sparse[entries + low];
        let column = (outlier & 0xffffu) - first;
        if (column >= 8u) { break; }
        let value = vec4(unpack2x16float(outlier).y);
        (*w)[0] += select(vec4(0.0), value, vec4(column) == vec4(0u, 1u, 2u, 3u));
        (*w)[1] += select(vec4(0.0), value, vec4(column) == vec4(4u, 5u, 6u, 7u));
    }
}
