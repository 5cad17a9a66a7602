//! Adds a kernel, the GELU of GPT-2 and Gemma (`gelu_pytorch_tanh`), and holds its shader to its reference on every
//! adapter. In the crate itself a kernel is such a value in a file of `src/kernels`, its shader in a file of `shaders`
//! (`wgsl: wgsl!("gelu")`), a line in `kernels::KERNELS`, and a row with the reason of `nmse` in docs/NUMERICS.md.

use qwgpu::gpu::{self, Gpu, Options};
use qwgpu::params;
use qwgpu::plan::kernel::Wgsl;
use qwgpu::plan::trial::check;
use qwgpu::plan::{Case, Element, Io, Kernel, Needs, Plan, Tensor, Trial, Variant};

// The fields of the shader's `Params`, in its order: another name or type there is an error when it is compiled.
params! { struct Params { cols: u32 } }

// Binding 0 has the parameters; inputs and the output follow in the order of `bind` below.
const SHADER: &str = "
// y[r, c] = x[r, c] / 2 * (1 + tanh(sqrt(2 / pi) * (x[r, c] + 0.044715 * x[r, c]^3)))
// One invocation computes one value.
struct Params { cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = group.x * WG + lane;
    if c >= params.cols {
        return;
    }
    let v = x[group.y * params.cols + c];
    let z = 0.7978845608 * (v + 0.044715 * v * v * v);
    // (1 + tanh(z)) / 2 = 1 / (1 + exp(-2 z)), bounded so that exp stays finite.
    y[group.y * params.cols + c] = v / (1.0 + exp(min(-2.0 * z, 87.0)));
}
";

static GELU: Kernel = Kernel {
    name: "gelu",
    params: Params::FIELDS,
    variants: &[Variant {
        name: "portable",
        needs: Needs::empty(),
        wgsl: &[Wgsl { stem: "gelu", text: SHADER, only: None }],
        consts: &[("WG", 64)],
        // One row and WG columns of a step's cells are one workgroup's.
        tile: |consts| [1, consts.get("WG")],
        // exp is off by 3 + 2 · |x| units of the last place, 1e-6 at the arguments of the cases; squared, rounded up.
        nmse: 1e-11,
    }],
    reference,
    host: None,
    cases: &[
        Case::bench("128x3072", |t| trial(t, 128, 3072, 1.0)),
        Case::test("5x70_times_200", |t| trial(t, 5, 70, 200.0)),
    ],
};

/// Adds the step to a plan, as a model does: GELU of every value of `x` [m, cols].
fn gelu(plan: &mut Plan, name: &str, x: Tensor) -> Tensor {
    let y = plan.scratch(x.rows, x.cols, Element::F32);
    let params = Params { cols: x.cols as u32 };
    plan.add(&GELU, name, params, &[x, y], [x.rows, x.cols], 10 * (x.rows * x.cols) as u64);
    y
}

/// Builds a case: values spread over -scale..scale.
fn trial(trial: &mut Trial, m: usize, cols: usize, scale: f32) -> Tensor {
    let x = trial.f32_of(m, cols, |_, value| value * scale);
    gelu(&mut trial.plan, "gelu", x)
}

/// Defines the kernel, in f32.
fn reference(io: &mut Io) {
    let x = io.f32(0);
    for (y, v) in io.out_f32().iter_mut().zip(x) {
        *y = 0.5 * v * (1.0 + (0.797_884_6 * (v + 0.044_715 * v * v * v)).tanh());
    }
}

fn main() -> qwgpu::Result<()> {
    run()
}

pub fn run() -> qwgpu::Result<()> {
    for adapter in gpu::adapters() {
        let name = adapter.facts.name.clone();
        let mut gpu = Gpu::open(adapter, Options::default())?;
        for case in GELU.cases {
            let found = check(&GELU, case, &mut gpu)?;
            assert!(found.fault.is_none(), "{name}, {}: {:?}", case.name, found.fault);
            println!("{name}, {}: nmse {:.1e}", case.name, found.nmse);
        }
    }
    Ok(())
}
