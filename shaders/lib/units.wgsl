// What matvecs by units of 32 codes share; append to a lib/units_ file. It says what each function means.

alias Quads = array<vec4<f32>, 8>;

// What is known of the columns of a half unit or of a whole one: the sums of their x, those of even columns apart.
fn pairs(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> vec2<f32> {
    let quad = (a + b) + (c + d);
    return quad.xy + quad.zw;
}

// What two parts of a sum of x * (code - offset) begin with.
fn begin(x: vec2<f32>, offset: f32) -> vec2<f32> {
    return vec2(-BIAS * x.x, -BIAS * x.y - (x.x + x.y) * (offset / WHOLE));
}

// The sum of two parts, less the factor WHOLE.
fn join(parts: vec2<f32>) -> f32 { return RATIO * parts.x + parts.y; }
