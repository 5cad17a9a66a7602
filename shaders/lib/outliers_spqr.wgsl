// x, and the outliers of SpQR weights as matvecs read them, four at a time: see lib/weights_spqr.wgsl.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> sparse: array<vec4<u32>>;

fn row_start(n: u32) -> u32 { return sparse[n / 4u][n % 4u]; }

// Four outliers, whole fours from the first of all on.
fn four_outliers(four: u32) -> vec4<u32> { return sparse[params.n / 4u + 1u + four]; }

fn times_x(outlier: u32, m: u32) -> f32 {
    let column = m * params.k + (outlier & 0xffffu);
    return unpack2x16float(outlier).y * x[column / 4u][column % 4u];
}

// The product of outlier `at`, if it is one of the rows that start at `start` or of a later one.
fn from_start(product: f32, at: u32, start: vec4<u32>) -> vec4<f32> {
    return select(vec4(0.0), vec4(product), vec4(i32(at)) >= vec4<i32>(start));
}
