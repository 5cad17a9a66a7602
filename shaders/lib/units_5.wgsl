// Codes of 5 bits for matvecs that load a unit of 32, five words, at once. lib/units_4.wgsl says what each function
// does. Some codes lie across two words.

@group(0) @binding(2) var<storage, read> code_words: array<u32>;

struct Codes { a: u32, b: u32, c: u32, d: u32, e: u32 }
const ELEMENTS = 5u;
const MIDDLE = 16.0;
const BIAS = 1.0;
const RATIO = 32.0;
const WHOLE = 32.0;

fn load_codes(row: u32, u: u32) -> Codes {
    let i = row + ((u << 2u) + u);
    return Codes(code_words[i], code_words[i + 1u], code_words[i + 2u], code_words[i + 3u], code_words[i + 4u]);
}

// Of codes in bits 0 to 4 of the halves of a word 1 + code / 1024 in f16, of those in bits 5 to 9 1 + code / 32.
fn even(word: u32) -> u32 { return (word & 0x001f001fu) | 0x3c003c00u; }
fn odd(word: u32) -> u32 { return (word & 0x03e003e0u) | 0x3c003c00u; }

// Words with the codes of the first half of a unit in their lower halves and those of the second in their upper ones.
fn both_codes(c: Codes) -> array<vec4<u32>, 4> {
    // Ten bytes of either half of the unit, two at a time.
    let p = insertBits(c.c, c.a, 0u, 16u);
    let q = (c.a >> 16u) | (c.d << 16u);
    let r = insertBits(c.d, c.b, 0u, 16u);
    let s = (c.b >> 16u) | (c.e << 16u);
    let t = insertBits(c.e, c.c, 0u, 16u);
    let p10 = p >> 10u;
    let q4 = q >> 4u;
    let r2 = r << 2u;
    let r8 = r >> 8u;
    let s2 = s >> 2u;
    let t4 = t << 4u;
    let t6 = t >> 6u;
    return array(vec4(even(p), odd(p), even(p10), across(p10, q << 6u, 0x00200020u, 0x03c003c0u)),
                 vec4(even(q4), odd(q4), across(q >> 14u, r2, 0x00030003u, 0x001c001cu), odd(r2)),
                 vec4(even(r8), across(r8, s << 8u, 0x00e000e0u, 0x03000300u), even(s2), odd(s2)),
                 vec4(across(s >> 12u, t4, 0x000f000fu, 0x00100010u), odd(t4), even(t6), odd(t6)));
}

alias Wide = Quads;
fn widened(c: Codes) -> Wide { return in_halves(both_codes(c)); }

fn first_codes(w: Wide) -> HalfQuads { return HalfQuads(w[0], w[1], w[2], w[3]); }
fn second_codes(w: Wide) -> HalfQuads { return HalfQuads(w[4], w[5], w[6], w[7]); }
