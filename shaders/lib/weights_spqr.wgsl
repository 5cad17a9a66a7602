// w[n, k] = s * (code[n, k] - z) + outlier[n, k]. Append to lib/group_spqr.wgsl, which says what s and z are.
// sparse: where each row's outliers start and the last one's end, n + 1 of n + 4 words, then the outliers
// by rows and columns: the column in the low half, the value in f16 in the high one.

@group(0) @binding(5) var<storage, read> sparse: array<u32>;

// Outlier number e.
fn outlier(e: u32) -> u32 { return sparse[params.n + 4u + e]; }

// Where an invocation is in the outliers of a row: the row + 1, the next one, the end.
struct Walk { row: u32, next: u32, end: u32 }
var<private> walks: array<Walk, 8>;

// Weights 8 i to 8 i + 7 of row n. An invocation that asks for a row again asks for a higher i; it does
// so of one row in any eight neighbouring ones and of any number of them in 64.
fn weights(n: u32, i: u32) -> array<vec4<f32>, 2> {
    let codes = eight_codes(first_unit(n) + i / 4u, i % 4u);
    let group = load_group(n / 8u, i * 8u / params.group);
    let scale = scale_of(group, n % 8u);
    let zero = vec4(zero_of(group, n % 8u));
    var w = array(scale * (codes[0] - zero), scale * (codes[1] - zero));

    let slot = n / 8u % 8u;
    if (walks[slot].row != n + 1u) { walks[slot] = Walk(n + 1u, sparse[n], sparse[n + 1u]); }
    var next = walks[slot].next;
    while (next < walks[slot].end) {
        let one = outlier(next);
        let column = one & 0xffffu;
        if (column >= i * 8u + 8u) { break; }
        let value = vec4(unpack2x16float(one).y);
        // What lies before column 8 i is for others; here it wraps around and fits nowhere.
        w[0] += select(vec4(0.0), value, vec4(column - i * 8u) == vec4(0u, 1u, 2u, 3u));
        w[1] += select(vec4(0.0), value, vec4(column - i * 8u) == vec4(4u, 5u, 6u, 7u));
        next++;
    }
    walks[slot].next = next;
    return w;
}
