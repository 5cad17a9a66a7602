//! Layer 0's q_proj of a real model against what the authors' programs made of it. Codes differ where
//! a weight lies so near to the middle of two levels that f32 arithmetic in another order decides;
//! each bound is a little below what was measured, which stands beside it.

use std::path::Path;

use libtest_mimic::Failed;
use qwgpu::formats::QuantizedWeight;
use qwgpu::formats::codes::code;
use qwgpu::formats::grid::{Grid, gptq, rtn};
use qwgpu::formats::int8::{Int8, THRESHOLD, int8};
use qwgpu::formats::solver::{Factor, Hessian, Quantized, Weight, relative_error};
use qwgpu::formats::spqr::{Spqr, SpqrOptions, spqr};
use safetensors::SafeTensors;

use crate::options::{gptq_factor, gptq_options, grid_options, spqr_factor, spqr_options};

pub type Test = (&'static str, fn(&Path) -> Result<(), Failed>);

pub static TESTS: &[Test] = &[
    ("rtn", test_rtn),
    ("gptq", test_gptq),
    ("spqr", test_spqr),
    ("int8", test_int8),
    ("device", crate::device::golden),
];

struct File(Vec<u8>);

impl File {
    fn open(folder: &Path, name: &str) -> File {
        let path = folder.join(name).with_extension("safetensors");
        File(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).expect(name).data().to_vec()
    }

    fn list<T: bytemuck::Pod>(&self, name: &str) -> Vec<T> {
        bytemuck::pod_collect_to_vec(&self.bytes(name))
    }
}

const N: usize = 896;
const GROUP: usize = 128;

pub struct Layer {
    weight: Vec<f32>,
    pub hessian: Hessian,
}

impl Layer {
    pub fn open(folder: &Path) -> Layer {
        let file = File::open(folder, "layer_input");
        let weight = file.list("weight_bf16_bits").into_iter().map(|w: u16| f32::from_bits(u32::from(w) << 16));
        let hessian = Hessian { name: "q_proj".to_owned(), n: N, values: file.list("hessian") };
        Layer { weight: weight.collect(), hessian }
    }

    pub fn weight(&self) -> Weight<'_> {
        Weight { name: "q_proj", values: &self.weight, rows: N, cols: N }
    }

    /// tr(ΔW H ΔWᵀ) / tr(W H Wᵀ) in f64.
    fn error(&self, found: &[f32]) -> f64 {
        let energy = |d: &dyn Fn(usize) -> f64| -> f64 {
            let rows = (0..N).map(|row| {
                let d: Vec<f64> = (0..N).map(|c| d(row * N + c)).collect();
                let products = self.hessian.values.chunks_exact(N).zip(&d);
                products
                    .map(|(h, di)| di * h.iter().zip(&d).map(|(h, dj)| f64::from(*h) * dj).sum::<f64>())
                    .sum::<f64>()
            });
            rows.sum()
        };
        let w = |i: usize| f64::from(self.weight[i]);
        energy(&|i| f64::from(found[i]) - w(i)) / energy(&w)
    }
}

fn stored<T: QuantizedWeight>(solved: &Quantized) -> &T {
    solved.weight.downcast_ref().expect("a weight of the method's format")
}

/// Returns the share of equal codes of two weights of one format with codes that fill words.
pub fn code_share(expected: &Quantized, found: &Quantized) -> f64 {
    let codes = |solved: &Quantized| {
        let (words, bits) = match solved.weight.downcast_ref::<Grid>() {
            Some(grid) => (&grid.codes, grid.bits),
            None => (&stored::<Spqr>(solved).codes, stored::<Spqr>(solved).bits),
        };
        let (row, cols) = (solved.weight.cols() * bits as usize / 32, solved.weight.cols());
        words.chunks_exact(row).flat_map(|row| (0..cols).map(move |c| code(row, c, bits))).collect::<Vec<u32>>()
    };
    equal(&codes(expected), &codes(found))
}

fn codes(words: &[u32], bits: u32) -> Vec<u8> {
    let row = N * bits as usize / 32;
    words.chunks_exact(row).flat_map(|row| (0..N).map(move |c| code(row, c, bits) as u8)).collect()
}

/// Share of equal elements.
fn equal<T: PartialEq>(expected: &[T], found: &[T]) -> f64 {
    assert_eq!(expected.len(), found.len());
    expected.iter().zip(found).filter(|(e, f)| e == f).count() as f64 / expected.len() as f64
}

/// \[rows\]\[groups\] of the goldens as \[groups\]\[rows\].
fn by_group<T: Copy>(values: &[T], groups: usize) -> Vec<T> {
    (0..groups * N).map(|at| values[at % N * groups + at / N]).collect()
}

fn near(what: &str, expected: f64, found: f64, tolerance: f64) -> Result<(), Failed> {
    println!("{what}: {found:.5e}, expected {expected:.5e}");
    // Written so that NaN fails.
    if (found / expected - 1.0).abs() <= tolerance {
        return Ok(());
    }
    Err(format!("{what}: {found:e}, expected {expected:e} within {tolerance}").into())
}

fn at_least(what: &str, bound: f64, found: f64) -> Result<(), Failed> {
    println!("{what}: {found:.5}");
    if found >= bound { Ok(()) } else { Err(format!("{what}: {found}, expected at least {bound}").into()) }
}

fn test_rtn(folder: &Path) -> Result<(), Failed> {
    let (layer, golden) = (Layer::open(folder), File::open(folder, "layer_rtn"));
    for (bits, error) in [(8, 3.53e-6), (4, 1.12e-3)] {
        let solved = rtn(&layer.weight(), bits, &grid_options(Some(GROUP)), Some(&layer.hessian)).unwrap();
        let grid: &Grid = stored(&solved);
        assert!(golden.list::<u8>(&format!("codes_{bits}")) == codes(&grid.codes, bits), "{bits} bits: codes");
        let scales: Vec<f32> = golden.list(&format!("scale_{bits}"));
        let scales = by_group(&scales, N / GROUP).into_iter().map(half::f16::from_f32);
        assert!(grid.scales.iter().copied().eq(scales), "{bits} bits: scales");
        near(&format!("{bits} bits, error as stored"), error, solved.relative_error.unwrap(), 0.01)?;
    }
    Ok(())
}

fn test_gptq(folder: &Path) -> Result<(), Failed> {
    let (layer, golden) = (Layer::open(folder), File::open(folder, "layer_gptq"));
    let factor = Factor::new(&layer.hessian, &gptq_factor()).unwrap();
    for (bits, error) in [(8, 6.44e-7), (4, 1.94e-4)] {
        let solved = gptq(&layer.weight(), &factor, bits, &gptq_options(Some(GROUP))).unwrap();
        let found = codes(&stored::<Grid>(&solved).codes, bits);
        let expected: Vec<u8> = golden.list(&format!("codes_{bits}"));
        at_least(&format!("{bits} bits, codes"), 0.999, equal(&expected, &found))?;
        let scales: Vec<f32> = golden.list(&format!("scale_{bits}"));
        let zeros: Vec<f32> = golden.list(&format!("zero_{bits}"));
        // The reference's own f32 scales: what it prints is of weights in f32.
        let error_of = |scale: &dyn Fn(f32) -> f32| {
            let at = |i: usize| i / N * (N / GROUP) + i % N / GROUP;
            let value = |i: usize| scale(scales[at(i)]) * (f32::from(expected[i]) - zeros[at(i)]);
            layer.error(&(0..N * N).map(value).collect::<Vec<_>>())
        };
        near(&format!("{bits} bits, error of the golden"), error, error_of(&|s| s), 2e-3)?;
        let stored = error_of(&|s| half::f16::from_f32(s).to_f32());
        near(&format!("{bits} bits, error as stored"), stored, solved.relative_error.unwrap(), 1e-3)?;
        near("our own measure", layer.error(&solved.weight.dequantize()), solved.relative_error.unwrap(), 1e-3)?;
    }
    Ok(())
}

fn test_spqr(folder: &Path) -> Result<(), Failed> {
    let layer = Layer::open(folder);
    let factor = Factor::new(&layer.hessian, &spqr_factor()).unwrap();
    for (bits, error, share) in [(4, 5.2e-5, 0.0035), (3, 1.15e-4, 0.0140)] {
        let golden = File::open(folder, &format!("layer_spqr_{bits}"));
        let order = golden.list::<i32>("perm").into_iter().map(|k| k as u32).collect::<Vec<_>>();
        at_least("order", 0.99, equal(&order, factor.perm.as_ref().unwrap()))?;
        let theirs = layer.error(&golden.list::<f32>("dequant"));
        near(&format!("{bits} bits, error of the golden"), error, theirs, 0.01)?;
        for reference_f32_stats in [true, false] {
            let options = SpqrOptions { reference_f32_stats, ..spqr_options(Some(0.2)) };
            let solved = spqr(&layer.weight(), &factor, bits, &options).unwrap();
            let found: &Spqr = stored(&solved);
            let what = format!("{bits} bits, {}", if reference_f32_stats { "as the reference" } else { "ours" });
            near(&format!("{what}: share"), share, solved.outlier_share, 0.02)?;
            let mut mask = vec![0u8; N * N / 8];
            for row in 0..N {
                for &k in &found.columns[found.row_start[row] as usize..found.row_start[row + 1] as usize] {
                    let at = row * N + k as usize;
                    mask[at / 8] |= 128 >> (at % 8);
                }
            }
            let expected: Vec<u8> = golden.bytes("outlier_mask_permuted_packed");
            let count = |mask: &[u8]| mask.iter().map(|byte| byte.count_ones()).sum::<u32>();
            let both: Vec<u8> = expected.iter().zip(&mask).map(|(e, f)| e & f).collect();
            let union = count(&expected) + count(&mask) - count(&both);
            let differing = (union - count(&both)) as f64 / (N * N) as f64;
            at_least(&format!("{what}: outlier mask"), 0.995, 1.0 - differing)?;
            println!("{what}: outliers in both {:.4}", f64::from(count(&both)) / f64::from(union));
            let expected: Vec<u8> = golden.bytes("codes_permuted");
            println!("{what}: codes {:.5}", equal(&expected, &codes(&found.codes, bits)));
            let expected = by_group(&golden.bytes("quant_scale"), N / 16);
            println!("{what}: scale codes {:.5}", equal(&expected, &found.scale_codes));
            near(&format!("{what}: error as stored"), theirs, solved.relative_error.unwrap(), 0.01)?;
        }
    }
    Ok(())
}

fn test_int8(folder: &Path) -> Result<(), Failed> {
    let (layer, golden) = (Layer::open(folder), File::open(folder, "layer_int8"));
    let solved = int8(&layer.weight(), THRESHOLD, Some(&layer.hessian)).unwrap();
    let found: &Int8 = stored(&solved);
    assert!(golden.list::<f32>("SCB") == found.scales, "SCB");

    assert!(golden.list::<i8>("CB") == found.codes, "CB");
    let error = relative_error(&layer.weight(), &*solved.weight, &layer.hessian);
    near("error", layer.error(&solved.weight.dequantize()), error, 1e-3)
}
