// Codes of 2 bits for matvecs that load a unit of 32, 8 bytes, at once. lib/units_4.wgsl says what each function does.

@group(0) @binding(2) var<storage, read> code_words: array<vec2<u32>>;

alias Codes = vec2<u32>;
const ELEMENTS = 1u;
const MIDDLE = 2.0;
const BIAS = 1.0;
const RATIO = 4.0;
const WHOLE = 4.0;

fn load_codes(row: u32, u: u32) -> Codes { return code_words[row + u]; }

// 1 + code / 16 for the codes in bits 6 and 7 of the halves of a word, 1 + code / 4 for those in bits 8 and 9. Two more would
// fit, and lose as many bits of the sum.
fn even(word: u32) -> vec2<f32> { return unpack2x16float((word & 0x00c000c0u) | 0x3c003c00u); }
fn odd(word: u32) -> vec2<f32> { return unpack2x16float((word & 0x03000300u) | 0x3c003c00u); }

// A quad of each half of a word.
fn two_quads(a: u32, b: u32) -> array<vec4<f32>, 2> {
    let c = even(a);
    let d = odd(a);
    let e = even(b);
    let f = odd(b);
    return array(vec4(c.x, d.x, e.x, f.x), vec4(c.y, d.y, e.y, f.y));
}

fn sixteen_codes(word: u32) -> HalfQuads {
    let a = two_quads(word << 6u, word << 2u);
    let b = two_quads(word >> 2u, word >> 6u);
    return HalfQuads(a[0], b[0], a[1], b[1]);
}

alias Wide = Codes;
fn widened(c: Codes) -> Wide { return c; }

fn first_codes(c: Wide) -> HalfQuads { return sixteen_codes(c.x); }
fn second_codes(c: Wide) -> HalfQuads { return sixteen_codes(c.y); }
