// Codes of 4 bits, lowest first: a unit of 32 is four words.

const ZERO_BITS = 4u;
alias Unit = vec4<u32>;

// Codes 4 j to 4 j + 3 of a unit.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    return vec4<f32>((vec4(unit[j / 2u]) >> (vec4(0u, 4u, 8u, 12u) + 16u * (j % 2u))) & vec4(15u));
}

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit {
    return (unit >> vec4(16u)) | (vec4(unit.yzw, 0u) << vec4(16u));
}

// A block of four units.
alias Block = array<vec4<u32>, 4>;
fn unit_of(block: Block, u: u32) -> Unit { return block[u]; }

// Four codes where they lie in a word, not shifted down; PRESCALE makes up for it, once for all rows that
// share x. Signed, which converts faster where there is no instruction for unsigned.
fn in_place(word: u32) -> vec4<f32> { return vec4<f32>(vec4<i32>(vec4(word) & vec4(15u, 240u, 3840u, 61440u))); }
const PRESCALE = vec4(1.0, 0.0625, 0.00390625, 0.000244140625);

// The sums of codes 4 j to 4 j + 3 times x over j < 4, and over the others, xs[j] being x * PRESCALE. Spelled
// out: a loop left rolled would index words at run time.
fn weighted_halves(unit: Unit, xs: array<vec4<f32>, 8>) -> array<vec4<f32>, 2> {
    let first = in_place(unit.x) * xs[0]
         + in_place(unit.x >> 16u) * xs[1]
         + in_place(unit.y) * xs[2]
         + in_place(unit.y >> 16u) * xs[3];
    let second = in_place(unit.z) * xs[4]
         + in_place(unit.z >> 16u) * xs[5]
         + in_place(unit.w) * xs[6]
         + in_place(unit.w >> 16u) * xs[7];
    return array(first, second);
}

fn weighted(unit: Unit, xs: array<vec4<f32>, 8>) -> f32 {
    let parts = weighted_halves(unit, xs);
    let sum = parts[0] + parts[1];
    return sum.x + sum.y + (sum.z + sum.w);
}
