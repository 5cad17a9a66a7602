// What matvecs by units of 32 codes share; append to a lib/units_ file. It says what each constant means.

alias Quads = array<vec4<f32>, 8>;
alias HalfQuads = array<vec4<f32>, 4>;

// The elements of `code_words` of a row, which has whole blocks of 128 columns.
fn row_codes() -> u32 { return (params.k + 127u) / 128u * (4u * ELEMENTS); }

// What is known of the columns of a half unit or of a whole one: the sums of their x, those of even columns apart.
fn pairs(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> vec2<f32> {
    let quad = (a + b) + (c + d);
    return quad.xy + quad.zw;
}

// What two parts of a sum of x * (code - offset) begin with. Codes that are converted have no bias, and one part.
fn begin(x: vec2<f32>, offset: f32) -> vec2<f32> {
    if (BIAS == 0.0) { return vec2(0.0, (x.x + x.y) * -offset); }
    return vec2(-BIAS * x.x, -BIAS * x.y - (x.x + x.y) * (offset / WHOLE));
}

// Sixteen products, in two parts, and what they begin with.
fn sixteen(codes: HalfQuads, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>, start: vec2<f32>) -> vec2<f32> {
    if (BIAS == 0.0) { return vec2(0.0, four(codes[3], d, four(codes[2], c, four(codes[1], b, four(codes[0], a, start.y))))); }
    var sum = fma(a.zw, codes[0].zw, fma(a.xy, codes[0].xy, start));
    sum = fma(b.zw, codes[1].zw, fma(b.xy, codes[1].xy, sum));
    sum = fma(c.zw, codes[2].zw, fma(c.xy, codes[2].xy, sum));
    return fma(d.zw, codes[3].zw, fma(d.xy, codes[3].xy, sum));
}

fn four(code: vec4<f32>, x: vec4<f32>, start: f32) -> f32 {
    return fma(x.w, code.w, fma(x.z, code.z, fma(x.y, code.y, fma(x.x, code.x, start))));
}

fn first_half(c: Wide, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return sixteen(first_codes(c), xs[0], xs[1], xs[2], xs[3], start);
}

fn second_half(c: Wide, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return sixteen(second_codes(c), xs[4], xs[5], xs[6], xs[7], start);
}

// The sum of two parts, less the factor WHOLE.
fn join(parts: vec2<f32>) -> f32 {
    if (BIAS == 0.0) { return parts.y; }
    return RATIO * parts.x + parts.y;
}

// For widths whose codes lie across words.

// Of codes whose low bits are in one word and whose high bits are in another.
fn across(low: u32, high: u32, low_mask: u32, high_mask: u32) -> u32 {
    return (high & high_mask) | ((low & low_mask) | 0x3c003c00u);
}

// A quad of either half.
fn quads(w: vec4<u32>) -> array<vec4<f32>, 2> {
    let a = unpack2x16float(w.x);
    let b = unpack2x16float(w.y);
    let c = unpack2x16float(w.z);
    let d = unpack2x16float(w.w);
    return array(vec4(a.x, b.x, c.x, d.x), vec4(a.y, b.y, c.y, d.y));
}

// The quads of the first half of a unit, then those of the second, from words with both.
fn in_halves(both: array<vec4<u32>, 4>) -> Quads {
    let q0 = quads(both[0]);
    let q1 = quads(both[1]);
    let q2 = quads(both[2]);
    let q3 = quads(both[3]);
    return Quads(q0[0], q1[0], q2[0], q3[0], q0[1], q1[1], q2[1], q3[1]);
}
