// Codes of 8 bits for matvecs that load a unit of 32, twice 16 bytes, at once. lib/units_4.wgsl says what each function
// does. Processors convert a byte at once, so that codes are converted.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

struct Codes { a: vec4<u32>, b: vec4<u32> }
const ELEMENTS = 2u;
const MIDDLE = 128.0;
const BIAS = 0.0;
const RATIO = 1.0;
const WHOLE = 1.0;

fn load_codes(row: u32, u: u32) -> Codes {
    let i = row + (u << 1u);
    return Codes(code_words[i], code_words[i + 1u]);
}

fn bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4(extractBits(word, 0u, 8u), extractBits(word, 8u, 8u),
                          extractBits(word, 16u, 8u), extractBits(word, 24u, 8u)));
}

alias Wide = Codes;
fn widened(c: Codes) -> Wide { return c; }

fn first_codes(c: Wide) -> HalfQuads { return HalfQuads(bytes(c.a.x), bytes(c.a.y), bytes(c.a.z), bytes(c.a.w)); }
fn second_codes(c: Wide) -> HalfQuads { return HalfQuads(bytes(c.b.x), bytes(c.b.y), bytes(c.b.z), bytes(c.b.w)); }
