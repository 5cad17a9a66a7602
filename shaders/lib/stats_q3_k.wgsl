// Q3_K: scale d * (s - 32) for 16 columns; w = scale * (code - 4). 256 columns share four words: sixteen s of 6 bits
// and d in f16. Byte g % 8 of the first two words has the low nibble of s[g], shifted by 4 from g = 8 on; byte g % 4
// of the third word has its high two bits, shifted by 2 (g / 4).

@group(0) @binding(3) var<storage, read> stats: array<vec4<u32>>;

const GROUP = 16u;
// Eight bytes of s, d.
alias Stats = vec3<u32>;

// Those of columns 128 b to 128 b + 127 of row n.
fn load_stats(n: u32, b: u32) -> Stats {
    let words = stats[n * (params.k / 256u) + b / 2u];
    let half = b % 2u * 4u;
    let low = (words.xy >> vec2(half)) & vec2(0x0f0f0f0fu);
    let high = (words.zz >> (vec2(0u, 2u) + half)) & vec2(0x03030303u);
    return vec3(low | (high << vec2(4u)), words.w);
}

// Scale and minimum of their group g.
fn group_stats(s: Stats, g: u32) -> vec2<f32> {
    let code = i32((s[g / 4u] >> (8u * (g % 4u))) & 255u) - 32;
    return unpack2x16float(s.z).x * f32(code) * vec2(1.0, 4.0);
}
