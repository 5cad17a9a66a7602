// Codes of 8 bits, lowest first: a unit of 32 is eight words.

const ZERO_BITS = 8u;
struct Unit { a: vec4<u32>, b: vec4<u32> }

// Codes 4 j to 4 j + 3 of a unit.
fn four_codes(unit: Unit, j: u32) -> vec4<f32> {
    return bytes(select(unit.a[j % 4u], unit.b[j % 4u], j >= 4u));
}

fn bytes(word: u32) -> vec4<f32> { return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)); }

// The unit with its first four codes gone.
fn without_four(unit: Unit) -> Unit { return Unit(vec4(unit.a.yzw, unit.b.x), vec4(unit.b.yzw, 0u)); }

// A block of four units.
alias Block = array<vec4<u32>, 8>;
fn unit_of(block: Block, u: u32) -> Unit { return Unit(block[2u * u], block[2u * u + 1u]); }

// Four codes where they lie in a word, not shifted down; PRESCALE makes up for it, once for all rows that
// share x. Signed, which converts faster where there is no instruction for unsigned.
fn in_place(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4(word, word, word, word >> 8u) & vec4(0xffu, 0xff00u, 0xff0000u, 0xff0000u)));
}
const PRESCALE = vec4(1.0, 0.00390625, 1.52587890625e-5, 1.52587890625e-5);

// The sums of codes 4 j to 4 j + 3 times x over j < 4, and over the others, xs[j] being x * PRESCALE. Spelled
// out: a loop left rolled would index words at run time.
fn weighted_halves(unit: Unit, xs: array<vec4<f32>, 8>) -> array<vec4<f32>, 2> {
    let first = in_place(unit.a.x) * xs[0]
         + in_place(unit.a.y) * xs[1]
         + in_place(unit.a.z) * xs[2]
         + in_place(unit.a.w) * xs[3];
    let second = in_place(unit.b.x) * xs[4]
         + in_place(unit.b.y) * xs[5]
         + in_place(unit.b.z) * xs[6]
         + in_place(unit.b.w) * xs[7];
    return array(first, second);
}

fn weighted(unit: Unit, xs: array<vec4<f32>, 8>) -> f32 {
    let parts = weighted_halves(unit, xs);
    let sum = parts[0] + parts[1];
    return sum.x + sum.y + (sum.z + sum.w);
}
