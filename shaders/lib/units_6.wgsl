// Codes of 6 bits for matvecs that load a unit of 32, 24 bytes, at once. lib/units_4.wgsl says what each function does.
// Some codes lie across two words.

@group(0) @binding(2) var<storage, read> code_words: array<vec2<u32>>;

struct Codes { a: vec2<u32>, b: vec2<u32>, c: vec2<u32> }
const ELEMENTS = 3u;
const MIDDLE = 32.0;
const BIAS = 1.0;
const RATIO = 4.0;
const WHOLE = 64.0;

fn load_codes(row: u32, u: u32) -> Codes {
    let i = row + ((u << 1u) + u);
    return Codes(code_words[i], code_words[i + 1u], code_words[i + 2u]);
}

// 1 + code / 256 for the code in bits 2 to 7, 1 + code / 64 for that in bits 20 to 25: three columns further, which of an even
// one is odd.
fn two(word: u32) -> vec2<f32> { return unpack2x16float((word & 0x03f000fcu) | 0x3c003c00u); }

// 1 + code / 64 for the code in bits 4 to 9.
fn one(word: u32) -> f32 { return unpack2x16float((word & 0x03f0u) | 0x3c00u).x; }

fn sixteen_codes(x: u32, y: u32, z: u32) -> HalfQuads {
    let c0_3 = two(x << 2u);
    let c2_5 = two((x >> 10u) | (y << 22u));
    let c4_7 = two((x >> 22u) | (y << 10u));
    let c6_9 = two(y >> 2u);
    let c8_11 = two((y >> 14u) | (z << 18u));
    let c10_13 = two((y >> 26u) | (z << 6u));
    let c12_15 = two(z >> 6u);
    let c1 = one(x >> 2u);
    let c14 = two(z >> 18u).x;
    return HalfQuads(vec4(c0_3.x, c1, c2_5.x, c0_3.y), vec4(c4_7.x, c2_5.y, c6_9.x, c4_7.y),
                 vec4(c8_11.x, c6_9.y, c10_13.x, c8_11.y), vec4(c12_15.x, c10_13.y, c14, c12_15.y));
}

alias Wide = Codes;
fn widened(c: Codes) -> Wide { return c; }

fn first_codes(c: Wide) -> HalfQuads { return sixteen_codes(c.a.x, c.a.y, c.b.x); }
fn second_codes(c: Wide) -> HalfQuads { return sixteen_codes(c.b.y, c.c.x, c.c.y); }
