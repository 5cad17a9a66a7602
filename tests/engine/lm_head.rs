//! Embedding and output matrix in 8 bits, beside each method, tied (tiny-qwen) and not (micro-qwen).

use std::path::Path;

use qwgpu::checkpoint::Checkpoint;
use qwgpu::formats::method::METHODS;
use qwgpu::formats::{Method, Quant, grid};
use qwgpu::generate::{DeviceChoice, KvType, Model, Spec, load};
use qwgpu::model::Config;
use qwgpu::quantize::Settings;
use qwgpu::quantize::calibration::Calibration;
use qwgpu::quantize::session::quantize;
use serde_json::Value;

use crate::compare::{largest, largest_difference};
use crate::files::fixture;

/// Models, and the weights of their tables: [vocab_size, hidden_size] once or twice.
const MODELS: [(&str, &[&str], u64); 2] = [
    ("tiny-qwen", &["model.embed_tokens"], 1280 * 256),
    ("micro-qwen", &["model.embed_tokens", "lm_head"], 2 * 320 * 64),
];

/// Quantizes a model by a method at its default width, and returns the report.
fn quantized(model: &str, method: &'static Method, lm_head: bool, out: &Path) -> Value {
    let mut settings = Settings::new(Quant { method, bits: method.default_bits });
    settings.run.lm_head = lm_head;
    if settings.options.to_json()["group_size"] == 128 {
        let grid = grid::GridOptions { group_size: grid::GroupSize::Columns(32), ..Default::default() };
        settings.options = match method.calibrated {
            true => Box::new(grid::GptqOptions { grid, ..Default::default() }),
            false => Box::new(grid::RtnOptions { grid }),
        };
    }
    let file = method.calibrated.then(|| fixture("tiny-prose.txt"));
    let calibration = Calibration { file, samples: 2, length: 32, ..Calibration::default() };
    quantize(&fixture(model), settings, &calibration, &DeviceChoice::cpu(), out, &mut ()).unwrap()
}

fn open(folder: &Path, device: &DeviceChoice) -> Model {
    load(&Spec::files(folder), device, Some(128), &mut ()).unwrap()
}

fn nll(model: &mut Model, ids: &[u32]) -> f64 {
    model.engine.truncate(0);
    let all = model.engine.nll(&ids[..ids.len() - 1], &ids[1..]).unwrap();
    all.iter().map(|&nll| f64::from(nll)).sum::<f64>() / all.len() as f64
}

#[test]
fn each_method_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixture("tiny-prose.txt")).unwrap();
    for ((name, tables, weights), method) in MODELS.into_iter().flat_map(|m| METHODS.iter().map(move |k| (m, *k))) {
        let of = format!("{name} by {}", method.name);
        let out = |lm_head: bool| folder.path().join(format!("{name}-{}-{lm_head}", method.name));
        let [plain, report] = [false, true].map(|lm_head| quantized(name, method, lm_head, &out(lm_head)));
        // 32 codes and an f16 in 34 bytes.
        let bytes = weights / 32 * 34;
        let named: Vec<&str> =
            report["lm_head"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert_eq!(named, tables, "{of}");
        for table in report["lm_head"].as_array().unwrap() {
            assert_eq!(table["bits_per_weight"], 8.5);
            let error = table["relative_error"].as_f64().unwrap();
            assert!(error > 1e-6 && error < 1e-4, "{of}: {error}");
        }
        let held = |report: &Value| report["weight_bytes"].as_u64().unwrap();
        assert_eq!(held(&report), held(&plain) + bytes, "{of}");
        assert_eq!(plain["settings"]["lm_head"], Value::Null);
        assert_eq!(report["settings"]["lm_head"], true);

        let config = Checkpoint::open(&out(true)).unwrap().config;
        assert_eq!(config["quantization_config"]["qwgpu_lm_head"], "q8_0", "{of}");
        let [mut unrounded, mut rounded] = [false, true].map(|lm_head| open(&out(lm_head), &DeviceChoice::cpu()));
        let counted = |model: &Model| model.engine.model.packed_bytes().1;
        assert_eq!(counted(&rounded), counted(&unrounded) + bytes, "{of}");
        let ids = rounded.encode(&text[..300]).unwrap();
        let ids = &ids[..ids.len().min(100)];
        let [before, after] = [&mut unrounded, &mut rounded].map(|model| nll(model, ids));
        assert!(before != after && (after - before).abs() < 5e-3 * before, "{of}: {before} became {after} nats");
        rounded.engine.truncate(0);
        let expected = rounded.engine.logits(&ids[..1]).unwrap();
        let device = DeviceChoice { kv_cache: KvType::F32, ..DeviceChoice::default() };
        let found = open(&out(true), &device).engine.logits(&ids[..1]).unwrap();
        let size = largest(expected.iter().map(|logit| logit.abs()));
        // LLM.int8() rounds activations: a last bit of x may move a code.
        let allowed = if method.name == "int8" { 1e-2 } else { 1e-4 };
        assert!(largest_difference(&expected, &found) < allowed * size, "{of} on an adapter");
    }
}

#[test]
fn random_weights_have_it_too() {
    let folder = fixture("tiny-qwen");
    let config = Config::from_json(&Checkpoint::open(&folder).unwrap().config, &folder).unwrap();
    let quant = METHODS.iter().map(|&method| Quant { method, bits: method.default_bits }.into()).next();
    let counted = |lm_head| {
        let spec = Spec::Random { name: "tiny".into(), config: Box::new(config.clone()), quant, lm_head };
        let mut model = load(&spec, &DeviceChoice::cpu(), Some(16), &mut ()).unwrap();
        assert!(model.engine.logits(&[1, 2]).unwrap().iter().all(|logit| logit.is_finite()));
        model.engine.model.packed_bytes().1
    };
    assert_eq!(counted(true), counted(false) + 1280 * 256 / 32 * 34);
}

/// A tensor of another shape and a scale that is no number are refused by name.
#[test]
fn damaged_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("rtn");
    quantized("tiny-qwen", METHODS[0], true, &out);
    let file = out.join("model.safetensors");
    let sound = std::fs::read(&file).unwrap();
    let header = String::from_utf8_lossy(&sound[8..][..u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize])
        .into_owned();
    let header: Value = serde_json::from_str(&header).unwrap();
    let begin = header["model.embed_tokens.q8_0"]["data_offsets"][0].as_u64().unwrap() as usize;
    let begin = begin + 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
    let refused = |bytes: &[u8], words: &[&str]| {
        std::fs::write(&file, bytes).unwrap();
        let error = load(&Spec::files(&out), &DeviceChoice::cpu(), Some(16), &mut ()).err().expect("an error");
        crate::errors::assert_says(error, words);
    };
    let mut infinite = sound.clone();
    infinite[begin..begin + 2].copy_from_slice(&0x7c00u16.to_le_bytes());
    refused(&infinite, &["model.embed_tokens.q8_0", "infinity or NaN in row 0"]);
    let edited = |from: &str, to: &str| {
        let text: Vec<u8> = sound
            .windows(from.len())
            .position(|part| part == from.as_bytes())
            .map_or_else(Vec::new, |at| [&sound[..at], to.as_bytes(), &sound[at + from.len()..]].concat());
        assert_eq!(text.len(), sound.len());
        text
    };
    refused(&edited("[1280,272]", "[1088,320]"), &["model.embed_tokens.q8_0", "1280"]);
    refused(&edited("embed_tokens.q8_0", "embed_tokens.q8_1"), &["model.embed_tokens.weight", "no such tensor"]);
}
