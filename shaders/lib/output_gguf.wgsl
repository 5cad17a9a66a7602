// Where products by GGUF's block types bind the bias and the output.

@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
