//! Rules for every method and format, from their lists.

use qwgpu::formats::codes::{code, pack};
use qwgpu::formats::linear::Orders;
use qwgpu::formats::method::InputStatistics;
use qwgpu::formats::solver::{Factor, Hessian, Weight};
use qwgpu::formats::stack::Stack;
use qwgpu::formats::{Activation, Linear, METHODS, Method, Quant, QuantizedWeight, grid};
use qwgpu::plan::cpu::{Cpu, Mode};
use qwgpu::plan::kernel::uniform;
use qwgpu::plan::{Backend, Element, Plan};
use qwgpu::quantize::Settings;

const COLS: usize = 96;

/// Returns a weight that a method made of random numbers and of correlated inputs, its columns in an order of
/// activation where the method has one.
fn quantized(method: &'static Method, bits: u32, rows: usize) -> Box<dyn QuantizedWeight> {
    let values: Vec<f32> = (0..(rows * COLS) as u32).map(|i| uniform(i ^ (77 + rows as u32))).collect();
    let weight = Weight { name: "w", values: &values, rows, cols: COLS };
    let diagonal = |i: usize| if i.is_multiple_of(COLS + 1) { (1 + i * 7 % 13) as f32 } else { 0.01 };
    let hessian = Hessian { name: "w".into(), n: COLS, values: (0..COLS * COLS).map(diagonal).collect() };
    let mut settings = Settings::new(Quant { method, bits });
    if settings.options.to_json()["group_size"] == 128 {
        settings.options = (method.options)();
        set_group_size(&mut settings, 32);
    }
    let factor = settings.options.factor(&weight).map(|options| Factor::new(&hessian, &options).unwrap());
    let calibration = InputStatistics { hessian: Some(&hessian), factor: factor.as_ref() };
    settings.options.quantize(bits, &weight, calibration).unwrap().weight
}

fn set_group_size(settings: &mut Settings, columns: usize) {
    let columns = grid::GroupSize::Columns(columns);
    let grid = grid::GridOptions { group_size: columns, ..Default::default() };
    settings.options = match settings.quant.method.calibrated {
        true => Box::new(grid::GptqOptions { grid, act_order: true, ..Default::default() }),
        false => Box::new(grid::RtnOptions { grid }),
    };
}

/// Multiplies the unit matrix by a weight in row blocks of 32 `tiles`, and compares with its values.
fn product_by_one_is(weight: &dyn QuantizedWeight, tiles: usize, name: &str) {
    let (rows, limit) = (weight.rows(), 32 * tiles as u64 * weight.row_bytes() + 31);
    let mut cpu = Cpu::new(Mode::Reference, limit);
    let linear = Linear::upload(&mut cpu, "w", weight, &mut Orders::default()).unwrap();
    assert_eq!(linear.row_blocks.len(), rows.div_ceil(32 * tiles), "{name}");
    let one: Vec<u32> = (0..COLS * COLS).map(|i| u32::from(i / COLS == i % COLS) * 1f32.to_bits()).collect();
    let x = cpu.create("x", COLS, COLS, Element::F32).unwrap();
    cpu.write(None, x, 0, &one).unwrap();
    let mut plan = Plan::new();
    let y = linear.apply(&mut plan, "w", &mut Activation::new(x));
    let program = cpu.prepare(&plan, true).unwrap();
    cpu.run(program).unwrap();
    let y: Vec<f32> = bytemuck::pod_collect_to_vec(&cpu.read(Some(program), y).unwrap());
    for (at, &w) in weight.dequantize().iter().enumerate() {
        let found = y[at % COLS * rows + at / COLS];
        assert!((found - w).abs() <= 1e-5 * w.abs(), "{name}: weight {at}: {w} became {found}");
    }
}

#[test]
fn products_by_one_are_the_weight() {
    for method in METHODS {
        let bits = method.bits[method.bits.len() / 2];
        product_by_one_is(&*quantized(method, bits, 80), 1, method.name);
    }
}

/// Weights of one order as one, in row blocks of which one has the end of a weight and the beginning of the next.
#[test]
fn stacks_are_their_weights() {
    for method in METHODS {
        for &bits in method.bits {
            let parts = || [64, 32, 48].map(|rows| quantized(method, bits, rows));
            let values: Vec<f32> = parts().iter().flat_map(|part| part.dequantize()).collect();
            let stack = Stack::new(parts().into()).unwrap();
            assert_eq!(stack.dequantize(), values);
            let name = format!("{} {bits}", method.name);
            product_by_one_is(&stack, 2, &name);
            product_by_one_is(&stack, 5, &name);
        }
        let unlike = [(method.bits[0], 32), (8, 48)].map(|(bits, rows)| quantized(method, bits, rows));
        assert_eq!(Stack::new(unlike.into()).is_ok(), method.bits[0] == 8, "{} of two widths", method.name);
    }
}

/// The device holds what the papers count, within two per cent.
#[test]
fn memory_is_as_counted() {
    for method in METHODS {
        for &bits in method.bits {
            let weight = (method.random)(bits, 896, 896, 1);
            let bytes: usize = weight.device_tensors(0..896).iter().map(|t| 4 * t.words.len()).sum();
            let counted = weight.true_bits() as f64 / 8.0;
            // Zeros of 3 bits take 4 on the device.
            assert!((bytes as f64 / counted - 1.0).abs() < 0.02, "{} {bits}: {bytes} for {counted}", method.name);
        }
    }
}

#[test]
fn names_are_unique_and_quants_are_read_back() {
    for method in METHODS {
        assert_eq!(METHODS.iter().filter(|other| other.name == method.name).count(), 1);
        for &bits in method.bits {
            let quant = Quant { method, bits };
            assert_eq!(quant.to_string().parse::<Quant>(), Ok(quant));
        }
        assert!(format!("{}:5", method.name).parse::<Quant>().is_err());
        (method.options)().check(method.default_bits).unwrap();
    }
}

#[test]
fn codes_come_back_at_every_width() {
    for bits in [2u32, 3, 4, 8] {
        let codes: Vec<u8> = (0..3 * 64u32).map(|i| (i.wrapping_mul(2_654_435_761) >> (32 - bits)) as u8).collect();
        let words = pack(&codes, 64, bits);
        let row_words = 2 * bits as usize;
        let found: Vec<u8> =
            (0..3 * 64).map(|i| code(&words[i / 64 * row_words..][..row_words], i % 64, bits) as u8).collect();
        assert_eq!(codes, found);
    }
}
