// Q4_K and Q5_K: scale d * s and minimum m * t for 32 columns. 256 columns share four words: d and m in f16, then
// eight s and eight t of 6 bits. Byte j of the next three words, A, B and C: for j < 4 the low 6 bits of A are s[j]
// and those of B t[j]; s[4 + j] is C's low nibble below A's high two bits, t[4 + j] C's high nibble below B's.

@group(0) @binding(3) var<storage, read> stats: array<vec4<u32>>;

const GROUP = 32u;
// d and m, four s in bytes, four t in bytes.
alias Stats = vec3<u32>;

// Those of columns 128 b to 128 b + 127 of row n.
fn load_stats(n: u32, b: u32) -> Stats {
    let words = stats[n * (params.k / 256u) + b / 2u];
    let first = words.yz & vec2(0x3f3f3f3fu);
    let second = ((words.ww >> vec2(0u, 4u)) & vec2(0x0f0f0f0fu)) | ((words.yz >> vec2(2u)) & vec2(0x30303030u));
    return vec3(words.x, select(first, second, b % 2u == 1u));
}

// Scale and minimum of their group g.
fn group_stats(s: Stats, g: u32) -> vec2<f32> {
    return unpack2x16float(s.x) * vec2<f32>(vec2<i32>((s.yz >> vec2(8u * g)) & vec2(255u)));
}
