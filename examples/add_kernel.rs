//! Adds a kernel, the GELU of GPT-2, and holds its shader to its reference on every adapter. In the crate itself a kernel
//! is this value in a file of `src/kernels`, a file in `shaders`, and a line in `kernels::KERNELS`.

use bytemuck::{Pod, Zeroable};
use qwgpu::gpu::{self, Gpu, Options};
use qwgpu::plan::kernel::Wgsl;
use qwgpu::plan::trial::check;
use qwgpu::plan::{Case, Element, Io, Kernel, Needs, Tensor, Trial, Variant};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count: u32,
}

const SHADER: &str = "
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.count {
        let v = x[id.x];
        y[id.x] = 0.5 * v * (1.0 + tanh(0.7978845608 * (v + 0.044715 * v * v * v)));
    }
}
";

static GELU: Kernel = Kernel {
    name: "gelu",
    variants: &[Variant {
        name: "portable",
        needs: Needs::empty(),
        wgsl: &[Wgsl { stem: "gelu", text: SHADER, only: None }],
        consts: &[("WG", 64)],
        tile: |consts| [1, consts.get("WG")],
        nmse: 1e-10,
    }],
    reference,
    host: None,
    cases: &[Case { name: "1x1000", bench: false, build: |trial| gelu(trial, 1000) }],
};

/// Adds the step to a plan, as a model does.
fn gelu(trial: &mut Trial, count: usize) -> Tensor {
    let x = trial.f32(1, count);
    let y = trial.plan.scratch(1, count, Element::F32);
    trial.plan.add(&GELU, "gelu", Params { count: count as u32 }, &[x, y], [1, count], 10 * count as u64);
    y
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
        let found = check(&GELU, &GELU.cases[0], &mut gpu)?;
        assert!(found.fault.is_none(), "{name}: {:?}", found.fault);
        println!("{name}: nmse {:.1e}", found.nmse);
    }
    Ok(())
}
