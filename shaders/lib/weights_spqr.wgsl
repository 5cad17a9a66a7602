// w[n, k] = s * (code[n, k] - z) + outlier[n, k], with the scale s = S_s * (scale code - S_z) and the zero
// z = Z_s * (zero code - Z_z) of row n and the group of k; groups are multiples of 16.
// Append to a lib/codes_ file, which says how codes are packed in units of 32.
// stat_codes: a stripe for each 8 rows; in it, of each group, SCALE_WIDTH bytes with the eight rows'
// scale codes, lowest row lowest, then ZERO_WIDTH bytes with their zero codes.
// stats: f16 S_s, S_z, Z_s, Z_z, [n / 16, groups].
// sparse: where each row's outliers start and the last one's end, n + 1 of n + 4 words, then the outliers
// by rows and columns: the column in the low half, the value in f16 in the high one.

@group(0) @binding(3) var<storage, read> stat_codes: array<u32>;
@group(0) @binding(4) var<storage, read> stats: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read> sparse: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

override SCALE_WIDTH: u32 = 3u;
override ZERO_WIDTH: u32 = 3u;
override GROUP_BYTES: u32 = SCALE_WIDTH + ZERO_WIDTH; // of eight rows
// Words that a group's bytes can touch: they start anywhere in a word, at its halves, or with it.
override GROUP_WORDS: u32 = (((0x3230u >> (GROUP_BYTES % 4u * 4u)) & 3u) + GROUP_BYTES + 3u) / 4u;

// What eight rows have of one group.
struct Group { scales: vec2<u32>, zeros: vec2<u32>, stats: vec2<u32> }

// The word from bit `shift` of low on; two shifts, because one by 32 is none.
fn funnel(low: u32, high: u32, shift: u32) -> u32 { return (low >> shift) | ((high << (31u - shift)) << 1u); }

fn load_group(stripe: u32, group: u32) -> Group {
    let groups = params.k / params.group;
    let at = stripe * ((groups * GROUP_BYTES + 3u) / 4u + 1u) + group * GROUP_BYTES / 4u;
    let shift = group * GROUP_BYTES % 4u * 8u;
    var words: array<u32, 6>;
    for (var i = 0u; i < GROUP_WORDS; i++) { words[i] = stat_codes[at + i]; }
    for (var i = 0u; i < 5u; i++) { words[i] = funnel(words[i], words[i + 1u], shift); }
    let z = SCALE_WIDTH / 4u;
    let zeros = vec2(funnel(words[z], words[z + 1u], SCALE_WIDTH % 4u * 8u),
                     funnel(words[z + 1u], words[z + 2u], SCALE_WIDTH % 4u * 8u));
    return Group(vec2(words[0], words[1]), zeros, stats[stripe / 2u * groups + group]);
}

// Code number `row` of eight.
fn stat_code(codes: vec2<u32>, row: u32, width: u32) -> f32 {
    let shift = row * width % 32u;
    let bits = select(funnel(codes.x, codes.y, shift), codes.y >> shift, row * width >= 32u);
    return f32(bits & ((1u << width) - 1u));
}

fn scale_of(group: Group, row: u32) -> f32 {
    let s = unpack2x16float(group.stats.x);
    return s.x * (stat_code(group.scales, row, SCALE_WIDTH) - s.y);
}

fn zero_of(group: Group, row: u32) -> f32 {
    let z = unpack2x16float(group.stats.y);
    return z.x * (stat_code(group.zeros, row, ZERO_WIDTH) - z.y);
}

fn row_start(n: u32) -> u32 { return sparse[n / 4u][n % 4u]; }

// Outlier number e.
fn outlier(e: u32) -> u32 { return sparse[params.n / 4u + 1u + e / 4u][e % 4u]; }

// Where an invocation is in the outliers of a row: the row + 1, the next one, the end.
struct Walk { row: u32, next: u32, end: u32 }
var<private> walks: array<Walk, 8>;

// Weights 8 i to 8 i + 7 of row n. An invocation that asks for a row again asks for a higher i; it does
// so of one row in any eight neighbouring ones and of any number of them in 64.
fn weights(n: u32, i: u32) -> array<vec4<f32>, 2> {
    let codes = eight_codes(n * (params.k / 32u) + i / 4u, i % 4u);
    let group = load_group(n / 8u, i * 8u / params.group);
    let scale = scale_of(group, n % 8u);
    let zero = vec4(zero_of(group, n % 8u));
    var w = array(scale * (codes[0] - zero), scale * (codes[1] - zero));

    let slot = n / 8u % 8u;
    if (walks[slot].row != n + 1u) { walks[slot] = Walk(n + 1u, row_start(n), row_start(n + 1u)); }
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
