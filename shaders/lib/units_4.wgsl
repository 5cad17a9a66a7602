// Codes of 4 bits for matvecs that load a unit of 32, 16 bytes, at once.
//
// A code lies in the bits of an f16 as 1 + code / s, without a conversion from integers, s by its place; processors widen f16
// as they multiply, or in an instruction. Sums of x * code are kept in two parts, of even and of odd columns, each begun with
// what `begin` says: WHOLE * (RATIO * even + odd) is the sum less `offset` * x. BIAS is the 1, or 0 where codes are converted;
// MIDDLE is half the number of codes.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

alias Codes = vec4<u32>;
const ELEMENTS = 1u;
const MIDDLE = 8.0;
const BIAS = 1.0;
const RATIO = 16.0;
const WHOLE = 16.0;

// Unit u of the row that begins at element `row`; ELEMENTS of `code_words` are a unit.
fn load_codes(row: u32, u: u32) -> Codes { return code_words[row + u]; }

// 1 + code / 256 for the codes in bits 2 to 5 of the halves of a word, 1 + code / 16 for those in bits 6 to 9.
fn even(word: u32) -> vec2<f32> { return unpack2x16float((word & 0x003c003cu) | 0x3c003c00u); }
fn odd(word: u32) -> vec2<f32> { return unpack2x16float((word & 0x03c003c0u) | 0x3c003c00u); }

fn eight(word: u32) -> array<vec4<f32>, 2> {
    let first = word << 2u;
    let second = word >> 6u;
    let a = even(first);
    let b = odd(first);
    let c = even(second);
    let d = odd(second);
    return array(vec4(a.x, b.x, c.x, d.x), vec4(a.y, b.y, c.y, d.y));
}

// What both halves are made from at once: of other widths more than the codes as they are.
alias Wide = Codes;
fn widened(c: Codes) -> Wide { return c; }

// The codes of either half of a unit, in the order of its columns.
fn first_codes(c: Wide) -> HalfQuads {
    let a = eight(c.x);
    let b = eight(c.y);
    return HalfQuads(a[0], a[1], b[0], b[1]);
}

fn second_codes(c: Wide) -> HalfQuads {
    let a = eight(c.z);
    let b = eight(c.w);
    return HalfQuads(a[0], a[1], b[0], b[1]);
}
