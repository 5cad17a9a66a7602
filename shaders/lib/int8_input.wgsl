// x in eight bits, as shaders/int8_quantize.wgsl lays it out.

@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;

// Codes 16 i to 16 i + 15 of row m.
fn x_codes(m: u32, i: u32) -> vec4<u32> { return x[(params.m * 4u + m) * (params.k / 16u) + i]; }

fn x_word(at: u32) -> u32 { return x[at / 4u][at % 4u]; }

// x[m, k] where column k has an outlier.
fn x_value(m: u32, k: u32) -> f32 { return bitcast<f32>(x_word(m * params.k + k)); }

// The columns with an outlier among those from 32 i on.
fn x_outliers(m: u32, i: u32) -> u32 { return x_word((params.m * 40u + m) * (params.k / 32u) + i); }

fn x_scale(m: u32) -> f32 { return bitcast<f32>(x_word(params.m * (params.k / 32u) * 41u + m)); }
