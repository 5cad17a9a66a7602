// Codes of 5 bits, one stream of bits, lowest first: a unit of 32 is five words, and some codes lie
// across two.

struct Unit { a: vec4<u32>, b: u32 }

// The low bits of `bits` as codes.
fn split(bits: u32) -> vec4<f32> { return vec4<f32>((vec4(bits) >> vec4(0u, 5u, 10u, 15u)) & vec4(31u)); }

// Codes 4 j to 4 j + 3 of a unit: bits 20 j to 20 j + 19.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    let word = j * 20u / 32u;
    let shift = j * 20u % 32u;
    let next = select(unit.b, unit.a[min(word + 1u, 3u)], word < 3u);
    // Two shifts, because one by 32 is none.
    return split((select(unit.b, unit.a[min(word, 3u)], word < 4u) >> shift) | ((next << (31u - shift)) << 1u));
}

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit {
    return Unit((unit.a >> vec4(20u)) | (vec4(unit.a.yzw, unit.b) << vec4(12u)), unit.b >> 20u);
}

// A block of four units.
alias Block = array<vec4<u32>, 5>;
fn word_of(block: Block, i: u32) -> u32 { return block[i / 4u][i % 4u]; }
fn unit_of(block: Block, u: u32) -> Unit {
    let i = 5u * u;
    let a = vec4(word_of(block, i), word_of(block, i + 1u), word_of(block, i + 2u), word_of(block, i + 3u));
    return Unit(a, word_of(block, i + 4u));
}

// Four codes where they lie in a word, not shifted down; PRESCALE makes up for it, once for all rows that
// share x. Signed, which converts faster where there is no instruction for unsigned.
fn in_place(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4(word) & vec4(0x1fu, 0x3e0u, 0x7c00u, 0xf8000u)));
}
const PRESCALE = vec4(1.0, 0.03125, 0.0009765625, 3.0517578125e-5);

// The sums of codes 4 j to 4 j + 3 times x over j < 4, and over the others, xs[j] being x * PRESCALE. Spelled
// out: a loop left rolled would index words at run time.
fn weighted_halves(unit: Unit, xs: array<vec4<f32>, 8>) -> array<vec4<f32>, 2> {
    let first = in_place(unit.a.x) * xs[0]
         + in_place((unit.a.x >> 20u) | (unit.a.y << 12u)) * xs[1]
         + in_place(unit.a.y >> 8u) * xs[2]
         + in_place((unit.a.y >> 28u) | (unit.a.z << 4u)) * xs[3];
    let second = in_place((unit.a.z >> 16u) | (unit.a.w << 16u)) * xs[4]
         + in_place(unit.a.w >> 4u) * xs[5]
         + in_place((unit.a.w >> 24u) | (unit.b << 8u)) * xs[6]
         + in_place(unit.b >> 12u) * xs[7];
    return array(first, second);
}
