//! LLM.int8() on a real layer against bitsandbytes: codes, scales and columns with an outlier of 64 real
//! inputs, and their products, on the CPU and on every adapter.
//!
//! The numbers are in `layer_int8.safetensors` of the folder of goldens.

use std::path::Path;

use half::{bf16, f16};
use libtest_mimic::{Failed, Trial};
use qwgpu::formats::QuantizedWeight;
use qwgpu::formats::int8::Int8;
use qwgpu::formats::linear::{Activation, Linear, Orders};
use qwgpu::gpu::{self, Gpu, Options};
use qwgpu::plan::cpu::{Cpu, Mode};
use qwgpu::plan::{Backend, Element, Plan};
use safetensors::SafeTensors;

const M: usize = 64;
const K: usize = 896;

/// Returns a test for each threshold and device; `folder` has the numbers.
pub fn tests(folder: &Path) -> Vec<Trial> {
    let file = folder.join("layer_int8.safetensors");
    let absent = !file.exists();
    let mut devices: Vec<(String, Option<(usize, Options)>)> = vec![("cpu".into(), None)];
    for adapter in gpu::adapters() {
        let index = adapter.facts.index;
        devices.push((format!("{index}_fast"), Some((index, Options::default()))));
        devices.push((format!("{index}_webgpu"), Some((index, Options { webgpu_limits: true, ..Options::default() }))));
    }
    let mut tests = Vec::new();
    for threshold in ["6", "0.5"] {
        for (label, device) in &devices {
            let (file, device) = (file.clone(), device.clone());
            let run = move || on(&file, threshold, device.clone());
            tests
                .push(Trial::test(format!("int8_golden/threshold_{threshold}/{label}"), run).with_ignored_flag(absent));
        }
    }
    tests
}

fn on(file: &Path, threshold: &str, device: Option<(usize, Options)>) -> Result<(), Failed> {
    match device {
        None => check(file, threshold, &mut Cpu::new(Mode::Reference, u64::MAX)),
        Some((index, options)) => check(file, threshold, &mut Gpu::open(gpu::adapters().swap_remove(index), options)?),
    }
}

/// A product as bitsandbytes would have rounded it: to f16 before and after the columns with an outlier, whose
/// weights are f16 too. Also how far it may be off: a unit of the last place of either, and 1e-3.
fn rounded(y: f32, outliers: impl Iterator<Item = (f32, f32)>) -> (f32, f32) {
    let round = |v: f32| f16::from_f32(v).to_f32();
    let (exact, halves) = outliers.fold((0.0, 0.0), |(exact, halves), (x, w)| (exact + x * w, halves + x * round(w)));
    let before = round(y - exact);
    let ulp = 2.0f32.powi(before.abs().max(y.abs()).max(6.2e-5).log2().floor() as i32 - 10);
    (round(before + halves), ulp + 1e-3)
}

fn check(file: &Path, threshold: &str, backend: &mut dyn Backend) -> Result<(), Failed> {
    let bytes = std::fs::read(file)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let data = |name: &str| tensors.tensor(name).expect(name).data();
    let f16s = |name: &str| -> Vec<f32> {
        bytemuck::pod_collect_to_vec::<u8, f16>(data(name)).into_iter().map(f16::to_f32).collect()
    };
    let of = |name: &str| format!("t{threshold}_{name}");
    let weight = Int8 {
        rows: K,
        cols: K,
        codes: bytemuck::pod_collect_to_vec(data("CB")),
        scales: bytemuck::pod_collect_to_vec(data("SCB")),
        threshold: threshold.parse()?,
    };

    let x = backend.create("x", M, K, Element::F32)?;
    backend.write(None, x, 0, bytemuck::cast_slice(&f16s("A_fp16")))?;
    let bias = bytemuck::pod_collect_to_vec::<u8, bf16>(data("bias_bf16_bits"));
    let words: Vec<u32> = bias.into_iter().map(|b| b.to_f32().to_bits()).collect();
    let bias = backend.create("bias", 1, K, Element::F32)?;
    backend.write(None, bias, 0, &words)?;
    let mut linear = Linear::upload(backend, "q_proj", &weight, &mut Orders::default())?;
    linear.bias = Some(bias);

    let mut plan = Plan::new();
    let mut input = Activation::new(x);
    let y = linear.apply(&mut plan, "q_proj", &mut input);
    let q = input.once("int8", linear.layout.threshold, |_| unreachable!("the product quantized its input"));
    let program = backend.prepare(&plan, true)?;
    backend.run(program)?;
    let q = backend.read(Some(program), q)?;
    let y: Vec<f32> = bytemuck::pod_collect_to_vec(&backend.read(Some(program), y)?);

    let codes: &[u8] = bytemuck::cast_slice(&q[M * K..M * K * 5 / 4]);
    equal("codes", data(&of("CA")), codes)?;
    let masks = &q[M * K * 5 / 4..];
    let columns: Vec<i32> = (0..K as i32).filter(|&c| masks[c as usize / 32] >> (c % 32) & 1 == 1).collect();
    equal("columns with an outlier", &bytemuck::pod_collect_to_vec::<u8, i32>(data(&of("outlier_cols"))), &columns)?;
    let scales: &[f32] = bytemuck::cast_slice(&masks[M * K / 32..]);
    equal("scales of rows", &bytemuck::pod_collect_to_vec::<u8, f32>(data(&of("SCA"))), scales)?;
    let expected = f16s(&of("y_fp16"));
    let (values, w) = (bytemuck::cast_slice::<u32, f32>(&q), weight.dequantize());
    let found = y.iter().enumerate().map(|(at, &y)| {
        let (m, n) = (at / K, at % K);
        rounded(y, columns.iter().map(|&c| (values[m * K + c as usize], w[n * K + c as usize])))
    });
    let (mut same, mut largest) = (0, 0.0f32);
    for (at, (&expected, (found, allowed))) in expected.iter().zip(found).enumerate() {
        let difference = (expected - found).abs();
        // Written so that NaN is wrong too.
        let close = difference <= allowed;
        if !close {
            return Err(format!("product [{}, {}]: expected {expected}, found {found}", at / K, at % K).into());
        }
        same += usize::from(expected == found);
        largest = largest.max(difference);
    }
    println!("largest difference {largest:.1e}; {same} of {} products equal", expected.len());
    Ok(())
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, expected: &[T], found: &[T]) -> Result<(), Failed> {
    match expected.iter().zip(found).position(|(e, f)| e != f) {
        Some(at) => Err(format!("{what}, number {at}: expected {:?}, found {:?}", expected[at], found[at]).into()),
        None if expected.len() != found.len() => Err(format!("{what}: {} of {}", found.len(), expected.len()).into()),
        None => Ok(()),
    }
}
