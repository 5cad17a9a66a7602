// Codes of 3 bits, one stream of bits, lowest first: a unit of 32 is three words, and some codes lie
// across two.

const ZERO_BITS = 4u; // zeros in whole nibbles
alias Unit = vec3<u32>;

// The low bits of `bits` as codes.
fn split(bits: u32) -> vec4<f32> { return vec4<f32>((vec4(bits) >> vec4(0u, 3u, 6u, 9u)) & vec4(7u)); }

// Codes 4 j to 4 j + 3 of a unit: bits 12 j to 12 j + 11, which only for j = 2 and 5 lie in two words.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    let low = unit[j * 12u / 32u] >> (j * 12u % 32u);
    let high = select(0u, unit[min(j * 12u / 32u + 1u, 2u)] << ((32u - j * 12u % 32u) & 31u), j == 2u || j == 5u);
    return split(low | high);
}

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit {
    return (unit >> vec3(12u)) | (vec3(unit.yz, 0u) << vec3(20u));
}

// A block of four units.
alias Block = array<vec4<u32>, 3>;
fn unit_of(block: Block, u: u32) -> Unit {
    let i = 3u * u;
    return vec3(block[i / 4u][i % 4u], block[(i + 1u) / 4u][(i + 1u) % 4u], block[(i + 2u) / 4u][(i + 2u) % 4u]);
}

// Four codes where they lie in a word, not shifted down; PRESCALE makes up for it, once for all rows that
// share x. Signed, which converts faster where there is no instruction for unsigned.
fn in_place(word: u32) -> vec4<f32> { return vec4<f32>(vec4<i32>(vec4(word) & vec4(7u, 56u, 448u, 3584u))); }
const PRESCALE = vec4(1.0, 0.125, 0.015625, 0.001953125);

// The sums of codes 4 j to 4 j + 3 times x over j < 4, and over the others, xs[j] being x * PRESCALE. Spelled
// out: a loop left rolled would index words at run time.
fn weighted_halves(unit: Unit, xs: array<vec4<f32>, 8>) -> array<vec4<f32>, 2> {
    let first = in_place(unit.x) * xs[0]
         + in_place(unit.x >> 12u) * xs[1]
         + in_place((unit.x >> 24u) | (unit.y << 8u)) * xs[2]
         + in_place(unit.y >> 4u) * xs[3];
    let second = in_place(unit.y >> 16u) * xs[4]
         + in_place((unit.y >> 28u) | (unit.z << 4u)) * xs[5]
         + in_place(unit.z >> 8u) * xs[6]
         + in_place(unit.z >> 20u) * xs[7];
    return array(first, second);
}

fn weighted(unit: Unit, xs: array<vec4<f32>, 8>) -> f32 {
    let parts = weighted_halves(unit, xs);
    let sum = parts[0] + parts[1];
    return sum.x + sum.y + (sum.z + sum.w);
}
