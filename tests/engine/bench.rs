//! What benches count and print.

use std::path::Path;

use qwgpu::Result;
use qwgpu::bench::tables::{self, bytes, figure};
use qwgpu::bench::work::{self, Work};
use qwgpu::bench::{Elapsed, Probe};
use qwgpu::checkpoint::Checkpoint;
use qwgpu::generate::Engine;
use qwgpu::generate::engine::PassOutput;
use qwgpu::gpu::{Class, tuning};
use qwgpu::model::{Config, Decoder, KvType, WeightSource};
use qwgpu::plan::dispatch::dispatches;
use qwgpu::plan::{Backend, Element, Fetch, Kernel, Needs, Place, Plan, ProgramId, Step, Tensor};

use crate::files::fixture;

/// Backend of tensors without contents.
#[derive(Default)]
struct Counter {
    tensors: usize,
    fuses: bool,
}

impl Backend for Counter {
    fn fuses(&self) -> bool {
        self.fuses
    }

    fn create(&mut self, _: &str, rows: usize, cols: usize, element: Element) -> Result<Tensor> {
        self.tensors += 1;
        Ok(Tensor { place: Place::Resident(self.tensors as u32 - 1), rows, cols, element })
    }

    fn max_tensor_bytes(&self) -> u64 {
        u64::MAX
    }

    fn tolerance(&self, _: &'static Kernel) -> f64 {
        0.0
    }

    fn residents(&self) -> usize {
        self.tensors
    }

    fn keep_residents(&mut self, kept: usize) {
        self.tensors = kept;
    }

    fn prepare(&mut self, _: &Plan, _: bool) -> Result<ProgramId> {
        Ok(ProgramId(0))
    }

    fn release(&mut self, _: ProgramId) {}

    fn run_steps(&mut self, _: ProgramId, _: std::ops::Range<usize>) -> Result<()> {
        Ok(())
    }

    fn write(&mut self, _: Option<ProgramId>, _: Tensor, _: usize, _: &[u32]) -> Result<()> {
        Ok(())
    }

    fn fetch(&mut self, _: Option<ProgramId>, _: Tensor, _: usize, _: usize) -> Result<Fetch> {
        Ok(Fetch(0))
    }

    fn finish(&mut self, _: Fetch) -> Result<Vec<u32>> {
        Ok(Vec::new())
    }

    fn memory(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// Bytes of a model, and its work for each token.
struct Counts {
    weight_bytes: u64,
    cache_bytes_per_token: u64,
    prefill: Work,
    decode: Work,
}

/// Counts the work of a model in bf16: 512 tokens of prompt, prefilled together, and 128 more.
fn count(name: &str) -> Counts {
    let mut counter = Counter::default();
    let config = Config::published(name).unwrap();
    let model =
        Decoder::load(config, WeightSource::Random { seed: 0, quant: None, lm_head: false }, &mut counter, &mut ())
            .unwrap();
    let engine = Engine::new(Box::new(counter), model, 512 + 128, 512, KvType::F32).unwrap();
    let (weight_bytes, cache_bytes, _) = engine.memory();
    let (prefill, decode) = work::engine(&engine, 512, 128);
    Counts { weight_bytes, cache_bytes_per_token: cache_bytes / (512 + 128), prefill, decode }
}

#[test]
fn the_limits_in_performance_are_counted() {
    let mut rows = String::new();
    for name in ["qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-7b", "qwen2.5-72b"] {
        let work = count(name);
        rows += &format!(
            "| {name} | {} | {} | {} | {:.2} GFLOP | {:.2} GFLOP | {} tokens/s | {} tokens/s |\n",
            bytes(work.weight_bytes as f64),
            bytes(work.cache_bytes_per_token as f64),
            bytes(work.decode.bytes),
            work.decode.flops / 1e9,
            work.prefill.flops / 1e9,
            figure(1e11 / work.decode.bytes),
            figure(1e12 / work.prefill.flops),
        );
    }
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/PERFORMANCE.md")).unwrap();
    assert!(document.contains(&rows), "docs/PERFORMANCE.md should have the rows\n{rows}");
}

#[test]
fn the_work_of_a_small_qwen_is_what_its_card_says() {
    let counted = count("qwen2.5-0.5b");
    // 494,032,768 parameters (358 M of them in layers); biases and norms are kept in f32.
    assert!((counted.weight_bytes as f64 / 2.0 / 494_032_768.0 - 1.0).abs() < 1e-3);
    // Two multiplications and additions per weight, and attention: 4 · 24 · 896 for every token seen.
    let attention = 4.0 * 24.0 * 896.0;
    let decode = 2.0 * 494e6 + attention * 576.0;
    assert!((counted.decode.flops / decode - 1.0).abs() < 2e-3, "{:e}", counted.decode.flops);
    let prefill = 2.0 * 357.8e6 + attention * 256.0;
    assert!((counted.prefill.flops / prefill - 1.0).abs() < 2e-3, "{:e}", counted.prefill.flops);
    // Keys and values of two heads of 64, 24 layers, f32.
    assert_eq!(counted.cache_bytes_per_token, 2 * 2 * 64 * 24 * 4);
}

#[test]
fn shares_go_by_cpu_time_where_both_have_it() {
    let elapsed = |seconds, cpu_seconds| Elapsed { seconds, cpu_seconds };
    // 20 bytes in one CPU second, of 25.
    let copy = Probe { amount: 100, elapsed: elapsed(2.0, Some(4.0)) };
    assert_eq!(copy.share(20.0, elapsed(9.0, Some(1.0))), 0.8);
    let fma = Probe { amount: 10, elapsed: elapsed(1.0, None) };
    assert_eq!(fma.share(5.0, elapsed(1.0, Some(8.0))), 0.5);
}

#[test]
fn tables_stand_between_markers() {
    let fill = |text| tables::fill(text, Path::new("x.md"), &[]);
    let filled = fill("a\n<!-- begin: results -->\nold\n<!-- end -->\nb <!-- end -->").unwrap();
    assert_eq!(filled, "a\n<!-- begin: results -->\nNo results yet.\n<!-- end -->\nb <!-- end -->");
    assert!(fill("a\n<!-- end -->").is_err());
    assert_eq!(["1235", "12.3", "1.20", "0.012"], [1234.6, 12.34, 1.2, 0.0123].map(figure));
    assert_eq!((bytes(988e6), bytes(12_288.0), bytes(7.0)), ("988 MB".into(), "12.3 kB".into(), "7.00 B".into()));
}

/// Returns the dispatches of a decoded token on a GPU: those of each layer, and the others.
fn dispatches_of(config: Config, source: WeightSource, fuses: bool) -> (Vec<usize>, usize) {
    let layers = config.num_hidden_layers;
    let mut counter = Counter { fuses, ..Counter::default() };
    let model = Decoder::load(config, source, &mut counter, &mut ()).unwrap();
    let engine = Engine::new(Box::new(counter), model, 64, 32, KvType::F32).unwrap();
    let (plan, _) = engine.plan(1, PassOutput::Token);
    let dispatches = |step: &Step| {
        let (variant, consts) = tuning::choose(step.kernel, Class::Discrete, Needs::all(), 32);
        dispatches(step.kernel, variant, &consts.specialized(&step.consts), step.cells).len()
    };
    let within = |scope: &str| plan.steps.iter().filter(|s| s.name.starts_with(scope)).map(dispatches).sum::<usize>();
    let of_layers = (0..layers).map(|i| within(&format!("model.layers.{i}."))).collect::<Vec<_>>();
    let rest = within("") - of_layers.iter().sum::<usize>();
    (of_layers, rest)
}

/// A GPU waits between dispatches; attention is two of them.
#[test]
fn decoding_takes_few_dispatches() {
    for (model, quant, of_layer) in [
        ("qwen2.5-0.5b", None, 6),
        ("qwen2.5-0.5b", Some("gptq:4"), 6),
        ("qwen2.5-0.5b", Some("q4_0"), 6),
        ("qwen2.5-0.5b", Some("spqr:3"), 6),
        ("qwen3-0.6b", Some("gptq:2"), 6),
        ("qwen2.5-0.5b", Some("int8"), 8),
    ] {
        let config = Config { num_hidden_layers: 2, ..Config::published(model).unwrap() };
        let quant = quant.map(|quant| quant.parse().unwrap());
        let source = WeightSource::Random { seed: 0, quant, lm_head: false };
        let (of_layers, rest) = dispatches_of(config.clone(), source, true);
        assert_eq!(of_layers, [of_layer; 2], "{model} {quant:?}");
        assert!(rest <= 6, "{model} {quant:?}: {rest} beside the layers");
        // A CPU gains nothing by them, and loses by what each workgroup does again.
        let (of_layers, _) = dispatches_of(config, source, false);
        assert!(of_layers[0] > of_layer, "{model} {quant:?}: {} where steps are not fused", of_layers[0]);
    }
    // With an order of columns.
    let checkpoint = Checkpoint::open(&fixture("quantized/gptq")).unwrap();
    let config = Config::from_json(&checkpoint.config, &fixture("quantized/gptq/config.json")).unwrap();
    let layers = config.num_hidden_layers;
    let source = WeightSource::Checkpoint { checkpoint: &checkpoint, dequantize: false };
    let (of_layers, rest) = dispatches_of(config, source, true);
    assert_eq!(of_layers, vec![6; layers]);
    assert!(rest <= 6, "{rest} beside the layers");
}
