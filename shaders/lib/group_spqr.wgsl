// What SpQR weights have by groups of columns, multiples of 16: the scale s = S_s * (scale code - S_z) and the
// zero z = Z_s * (zero code - Z_z) of each row. Append to a lib/codes_ file, which says how codes are packed
// in units of 32.
// stat_codes: a row for each 16 rows; in it, of each group and each half of the 16, SCALE_WIDTH bytes with
// eight rows' scale codes, lowest row lowest, then ZERO_WIDTH bytes with their zero codes.
// stats: f16 S_s, S_z, Z_s, Z_z, [n / 16, groups].

@group(0) @binding(3) var<storage, read> stat_codes: array<u32>;
@group(0) @binding(4) var<storage, read> stats: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

override SCALE_WIDTH: u32 = 3u;
override ZERO_WIDTH: u32 = 3u;
override GROUP_BYTES: u32 = SCALE_WIDTH + ZERO_WIDTH; // of eight rows
// Words that eight rows' bytes, and sixteen's, can touch: they start anywhere in a word, at its halves,
// or with it.
override GROUP_WORDS: u32 = (((0x3230u >> (GROUP_BYTES % 4u * 4u)) & 3u) + GROUP_BYTES + 3u) / 4u;
override PAIR_WORDS: u32 = (GROUP_BYTES + 1u) / 2u;

// What eight rows have of one group.
struct Group { scales: vec2<u32>, zeros: vec2<u32>, stats: vec2<u32> }

// The number of row n's first unit.
fn first_unit(n: u32) -> u32 { return n * ((params.k + 127u) / 128u * 4u); }

// The word from bit `shift` of low on; two shifts, because one by 32 is none.
fn funnel(low: u32, high: u32, shift: u32) -> u32 { return (low >> shift) | ((high << (31u - shift)) << 1u); }

// Two words from bit `at` on.
fn two_words(words: array<u32, 10>, at: u32) -> vec2<u32> {
    let i = at / 32u;
    return vec2(funnel(words[i], words[i + 1u], at % 32u), funnel(words[i + 1u], words[i + 2u], at % 32u));
}

fn stat_row_words() -> u32 { return (params.k / params.group_size * GROUP_BYTES * 2u + 3u) / 4u + 1u; }

// The words that a Group lies in.
struct GroupWords { words: array<u32, 10>, stats: vec2<u32> }

fn group_byte(stripe: u32, group: u32) -> u32 { return (group * 2u + stripe % 2u) * GROUP_BYTES; }

// Of rows 8 stripe to 8 stripe + 7.
fn load_group_words(stripe: u32, group: u32) -> GroupWords {
    let at = stripe / 2u * stat_row_words() + group_byte(stripe, group) / 4u;
    var loaded: GroupWords;
    for (var i = 0u; i < GROUP_WORDS; i++) { loaded.words[i] = stat_codes[at + i]; }
    loaded.stats = stats[stripe / 2u * (params.k / params.group_size) + group];
    return loaded;
}

fn group_of(loaded: GroupWords, stripe: u32, group: u32) -> Group {
    var words = loaded.words;
    let shift = group_byte(stripe, group) % 4u * 8u;
    for (var i = 0u; i < 9u; i++) { words[i] = funnel(words[i], words[i + 1u], shift); }
    return Group(two_words(words, 0u), two_words(words, SCALE_WIDTH * 8u), loaded.stats);
}

fn load_group(stripe: u32, group: u32) -> Group { return group_of(load_group_words(stripe, group), stripe, group); }

// Of rows 16 block to 16 block + 15.
fn load_pair(block: u32, group: u32) -> array<Group, 2> {
    let byte = group * 2u * GROUP_BYTES;
    let at = block * stat_row_words() + byte / 4u;
    var words: array<u32, 10>;
    for (var i = 0u; i < PAIR_WORDS; i++) { words[i] = stat_codes[at + i]; }
    for (var i = 0u; i < 9u; i++) { words[i] = funnel(words[i], words[i + 1u], byte % 4u * 8u); }
    let shared_stats = stats[block * (params.k / params.group_size) + group];
    let half = GROUP_BYTES * 8u;
    return array(Group(two_words(words, 0u), two_words(words, SCALE_WIDTH * 8u), shared_stats),
                 Group(two_words(words, half), two_words(words, half + SCALE_WIDTH * 8u), shared_stats));
}

// Code number `row` of eight.
fn stat_code(codes: vec2<u32>, row: u32, width: u32) -> f32 {
    let mask = (1u << width) - 1u;
    if (width <= 4u) { return f32((codes.x >> (row * width)) & mask); }
    let shift = row * width % 32u;
    return f32(select(funnel(codes.x, codes.y, shift), codes.y >> shift, row * width >= 32u) & mask);
}

fn scale_of(group: Group, row: u32) -> f32 {
    let s = unpack2x16float(group.stats.x);
    return s.x * (stat_code(group.scales, row, SCALE_WIDTH) - s.y);
}

fn zero_of(group: Group, row: u32) -> f32 {
    let z = unpack2x16float(group.stats.y);
    return z.x * (stat_code(group.zeros, row, ZERO_WIDTH) - z.y);
}
