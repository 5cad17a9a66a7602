// Codes of 3 bits for matvecs that load a unit of 32, three words, at once. lib/units_4.wgsl says what each function
// does. Some codes lie across two words.

@group(0) @binding(2) var<storage, read> code_words: array<u32>;

alias Codes = vec3<u32>;
const ELEMENTS = 3u;
const MIDDLE = 4.0;
const BIAS = 1.0;
const RATIO = 8.0;
const WHOLE = 8.0;

fn load_codes(row: u32, u: u32) -> Codes {
    let i = row + ((u << 1u) + u);
    return vec3(code_words[i], code_words[i + 1u], code_words[i + 2u]);
}

// Of codes in bits 4 to 6 of the halves of a word 1 + code / 64 in f16, of those in bits 7 to 9 1 + code / 8.
fn even(word: u32) -> u32 { return (word & 0x00700070u) | 0x3c003c00u; }
fn odd(word: u32) -> u32 { return (word & 0x03800380u) | 0x3c003c00u; }

// Words with the codes of the first half of a unit in their lower halves and those of the second in their upper ones.
fn both_codes(c: Codes) -> array<vec4<u32>, 4> {
    // Six bytes of either half of the unit, two at a time.
    let p = insertBits(c.y, c.x, 0u, 16u);
    let q = (c.x >> 16u) | (c.z << 16u);
    let r = insertBits(c.z, c.y, 0u, 16u);
    let p4 = p << 4u;
    let p2 = p >> 2u;
    let p8 = p >> 8u;
    let q2 = q << 2u;
    let q4 = q >> 4u;
    let r6 = r << 6u;
    let last = r >> 6u;
    return array(vec4(even(p4), odd(p4), even(p2), odd(p2)),
                 vec4(even(p8), across(p8, q << 8u, 0x00800080u, 0x03000300u), even(q2), odd(q2)),
                 vec4(even(q4), odd(q4), across(q >> 10u, r6, 0x00300030u, 0x00400040u), odd(r6)),
                 vec4(even(r), odd(r), even(last), odd(last)));
}

alias Wide = Quads;
fn widened(c: Codes) -> Wide { return in_halves(both_codes(c)); }

fn first_codes(w: Wide) -> HalfQuads { return HalfQuads(w[0], w[1], w[2], w[3]); }
fn second_codes(w: Wide) -> HalfQuads { return HalfQuads(w[4], w[5], w[6], w[7]); }
