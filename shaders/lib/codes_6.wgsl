// Codes of 6 bits, one stream of bits, lowest first: a unit of 32 is six words, and some codes lie
// across two.

struct Unit { a: vec3<u32>, b: vec3<u32> }

// The low bits of `bits` as codes.
fn split(bits: u32) -> vec4<f32> { return vec4<f32>((vec4(bits) >> vec4(0u, 6u, 12u, 18u)) & vec4(63u)); }

// Codes 4 j to 4 j + 3 of a unit: bits 24 (j % 4) to 24 (j % 4) + 23 of a, or from j = 4 on of b.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    let words = select(unit.b, unit.a, j < 4u);
    let shift = j % 4u * 24u % 32u;
    let word = j % 4u * 24u / 32u;
    // Two shifts, because one by 32 is none.
    return split((words[word] >> shift) | ((words[min(word + 1u, 2u)] << (31u - shift)) << 1u));
}

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit {
    return Unit((unit.a >> vec3(24u)) | (vec3(unit.a.yz, unit.b.x) << vec3(8u)),
                (unit.b >> vec3(24u)) | (vec3(unit.b.yz, 0u) << vec3(8u)));
}

// A block of four units.
alias Block = array<vec4<u32>, 6>;
fn word_of(block: Block, i: u32) -> u32 { return block[i / 4u][i % 4u]; }
fn unit_of(block: Block, u: u32) -> Unit {
    let i = 6u * u;
    return Unit(vec3(word_of(block, i), word_of(block, i + 1u), word_of(block, i + 2u)),
                vec3(word_of(block, i + 3u), word_of(block, i + 4u), word_of(block, i + 5u)));
}

// Four codes where they lie in a word, not shifted down; PRESCALE makes up for it, once for all rows that
// share x. Signed, which converts faster where there is no instruction for unsigned.
fn in_place(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4(word) & vec4(0x3fu, 0xfc0u, 0x3f000u, 0xfc0000u)));
}
const PRESCALE = vec4(1.0, 0.015625, 0.000244140625, 3.814697265625e-6);

// The sum over sixteen codes, which are three words.
fn weighted_half(a: vec3<u32>, x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>) -> vec4<f32> {
    return in_place(a.x) * x0
         + in_place((a.x >> 24u) | (a.y << 8u)) * x1
         + in_place((a.y >> 16u) | (a.z << 16u)) * x2
         + in_place(a.z >> 8u) * x3;
}

// The sums of codes 4 j to 4 j + 3 times x over j < 4, and over the others, xs[j] being x * PRESCALE. Spelled
// out: a loop left rolled would index words at run time.
fn weighted_halves(unit: Unit, xs: array<vec4<f32>, 8>) -> array<vec4<f32>, 2> {
    return array(weighted_half(unit.a, xs[0], xs[1], xs[2], xs[3]), weighted_half(unit.b, xs[4], xs[5], xs[6], xs[7]));
}
