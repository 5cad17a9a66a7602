// Codes of 2 bits, lowest first: a unit of 32 is two words.

const ZERO_BITS = 2u;
alias Unit = vec2<u32>;

// Codes 4 j to 4 j + 3 of a unit.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    return vec4<f32>((vec4(unit[j / 4u]) >> (vec4(0u, 2u, 4u, 6u) + 8u * (j % 4u))) & vec4(3u));
}

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit {
    return (unit >> vec2(8u)) | vec2(unit.y << 24u, 0u);
}

// A block of four units.
alias Block = array<vec4<u32>, 2>;
fn unit_of(block: Block, u: u32) -> Unit { return select(block[u / 2u].xy, block[u / 2u].zw, u % 2u == 1u); }

// Four codes where they lie in a word, not shifted down; PRESCALE makes up for it, once for all rows that
// share x. Signed, which converts faster where there is no instruction for unsigned.
fn in_place(word: u32) -> vec4<f32> { return vec4<f32>(vec4<i32>(vec4(word) & vec4(3u, 12u, 48u, 192u))); }
const PRESCALE = vec4(1.0, 0.25, 0.0625, 0.015625);

// The sums of codes 4 j to 4 j + 3 times x over j < 4, and over the others, xs[j] being x * PRESCALE. Spelled
// out: a loop left rolled would index words at run time.
fn weighted_halves(unit: Unit, xs: array<vec4<f32>, 8>) -> array<vec4<f32>, 2> {
    let first = in_place(unit.x) * xs[0]
         + in_place(unit.x >> 8u) * xs[1]
         + in_place(unit.x >> 16u) * xs[2]
         + in_place(unit.x >> 24u) * xs[3];
    let second = in_place(unit.y) * xs[4]
         + in_place(unit.y >> 8u) * xs[5]
         + in_place(unit.y >> 16u) * xs[6]
         + in_place(unit.y >> 24u) * xs[7];
    return array(first, second);
}

fn weighted(unit: Unit, xs: array<vec4<f32>, 8>) -> f32 {
    let parts = weighted_halves(unit, xs);
    let sum = parts[0] + parts[1];
    return sum.x + sum.y + (sum.z + sum.w);
}
