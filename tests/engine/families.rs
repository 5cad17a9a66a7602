//! Tiny models of each family, held to transformers' numbers: fixtures/families says how they were made.

use qwgpu::formats::method::METHODS;
use qwgpu::formats::{Quant, grid};
use qwgpu::generate::{DeviceChoice, Flow, KvType, Model, Spec, load};
use qwgpu::kernels::{RopeScaling, rope_table};
use qwgpu::model::FAMILIES;
use qwgpu::model::families::Slot;
use qwgpu::quantize::Settings;
use qwgpu::quantize::calibration::Calibration;
use qwgpu::quantize::session::quantize;
use qwgpu::text::Message;
use safetensors::SafeTensors;
use serde_json::Value;

use crate::compare::{largest, largest_difference};
use crate::devices::devices;
use crate::files::fixture;

const MODELS: &[&str] = &["qwen3", "llama2", "llama3.1", "llama3.2", "mistral"];

fn open(name: &str, device: &DeviceChoice) -> Model {
    load(&Spec::files(fixture(&format!("families/{name}"))), device, Some(256), &mut ()).unwrap()
}

struct Golden(Vec<u8>);

impl Golden {
    fn open(name: &str) -> Golden {
        Golden(std::fs::read(fixture(&format!("families/{name}/golden.safetensors"))).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().data().to_vec()
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        let id = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap()) as u32;
        self.bytes(name).chunks_exact(8).map(id).collect()
    }

    fn f32(&self, name: &str) -> Vec<f32> {
        self.bytes(name).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }
}

/// GGUF files: those of the families, and one of blocks of 256 columns.
const FILES: &[&str] = &["qwen3", "llama2", "llama3.1", "llama3.2", "mistral", "qwen2-k"];

/// Returns each device with a cache in f32, which may be `allowed` off, and in f16: docs/NUMERICS.md says how far that may be.
fn cached_devices(allowed: f32) -> impl Iterator<Item = (DeviceChoice, f32)> {
    devices().into_iter().flat_map(move |device| {
        [(KvType::F32, allowed), (KvType::F16, 2e-2)]
            .map(|(kv_cache, allowed)| (DeviceChoice { kv_cache, ..device.clone() }, allowed))
    })
}

/// Prompts below and above the sliding window and the context before scaling.
const PROMPTS: &[&str] = &["n9", "n20", "n25", "n60", "n150"];

#[test]
fn logits_and_greedy_tokens_are_those_of_transformers() {
    for name in MODELS {
        let golden = Golden::open(name);
        for (device, allowed) in cached_devices(1e-4) {
            let mut model = open(name, &device);
            let engine = &mut model.engine;
            for prompt in PROMPTS {
                let ids = golden.ids(&format!("{prompt}.input_ids"));
                let positions = golden.ids(&format!("{prompt}.positions"));
                let logits = golden.f32(&format!("{prompt}.logits"));
                for (position, expected) in positions.iter().zip(logits.chunks_exact(logits.len() / positions.len())) {
                    engine.truncate(0);
                    let found = engine.logits(&ids[..=*position as usize]).unwrap();
                    // Rows beyond the tokens are padding, which is masked.
                    let off = largest_difference(&expected[..found.len()], &found);
                    assert!(off <= allowed, "{name} {prompt} at {position} on {device:?}: {off}");
                }
            }
        }
    }
}

/// Blocks run as the file has them: the logits are those of the file's own values, rounded to nothing.
#[test]
fn packed_blocks_give_the_logits_of_their_own_values() {
    for name in FILES {
        let file = fixture(&format!("families/{name}-gguf.safetensors"));
        let golden = Golden(std::fs::read(file).unwrap());
        for (device, allowed) in cached_devices(2e-4) {
            let spec = Spec::files(fixture(&format!("families/{name}.gguf")));
            let mut model = load(&spec, &device, Some(256), &mut ()).unwrap();
            let (held, counted) = model.engine.model.packed_bytes();
            assert!(held > 0 && counted > 0, "{name}: nothing is packed");
            for prompt in PROMPTS {
                let ids = golden.ids(&format!("{prompt}.input_ids"));
                let logits = golden.f32(&format!("{prompt}.logits"));
                let positions = golden.ids(&format!("{prompt}.positions")).len();
                let expected = &logits[logits.len() / positions * (positions - 1)..];
                model.engine.truncate(0);
                let found = model.engine.logits(&ids).unwrap();
                let off = largest_difference(&expected[..found.len()], &found);
                assert!(off <= allowed, "{name} {prompt} on {device:?}: {off}");
            }
        }
    }
}

#[test]
fn greedy_continuations_are_those_of_transformers() {
    for name in MODELS {
        let golden = Golden::open(name);
        let mut model = open(name, &DeviceChoice::cpu());
        let vocab = model.tokenizer().unwrap().vocab_size() as u32;
        for prompt in PROMPTS {
            let expected = golden.ids(&format!("{prompt}.greedy_ids"));
            // transformers may choose a padded row, which has no token.
            let expected: Vec<u32> = expected.into_iter().take_while(|id| *id < vocab).collect();
            let mut found = Vec::new();
            model.engine.truncate(0);
            let ids = golden.ids(&format!("{prompt}.input_ids"));
            let each = |id| {
                found.push(id);
                Ok(Flow::Continue)
            };
            model.engine.greedy(&ids, expected.len(), each).unwrap();
            assert_eq!(found, expected, "{name} {prompt}");
        }
    }
}

#[test]
fn tokens_templates_and_stop_tokens_are_those_of_transformers() {
    for name in MODELS {
        let model = open(name, &DeviceChoice::cpu());
        let tokenizer = model.tokenizer().unwrap();
        let text = std::fs::read_to_string(fixture(&format!("families/{name}/golden.json"))).unwrap();
        let golden: Value = serde_json::from_str(&text).unwrap();
        let ids = |value: &Value| serde_json::from_value::<Vec<u32>>(value.clone()).unwrap();
        for encoding in golden["encodings"].as_array().unwrap() {
            let text = encoding["text"].as_str().unwrap();
            assert_eq!(tokenizer.encode_without_bos(text).unwrap(), ids(&encoding["ids"]), "{name}: {text:?}");
            assert_eq!(tokenizer.encode(text).unwrap(), ids(&encoding["ids_with_special"]), "{name}: {text:?}");
        }
        let mut chats = 0;
        for chat in golden["chats"].as_array().unwrap() {
            // Other options of the template are not offered.
            if chat["options"].as_object().unwrap().len() > 1 {
                continue;
            }
            let message = |m: &Value| Message::new(m["role"].as_str().unwrap(), m["content"].as_str().unwrap());
            let messages: Vec<Message> = chat["messages"].as_array().unwrap().iter().map(message).collect();
            let prompt = chat["options"]["add_generation_prompt"].as_bool().unwrap();
            let text = model.chat_template().render(&messages, prompt).unwrap();
            assert_eq!(text, chat["text"].as_str().unwrap(), "{name}");
            assert_eq!(tokenizer.encode_without_bos(&text).unwrap(), ids(&chat["ids"]), "{name}");
            chats += 1;
        }
        assert!(chats > 0, "{name}");
        for stop in ids(&golden["stop_ids"]) {
            assert!(model.stop.contains(&stop), "{name}: {stop} ends a reply; found {:?}", model.stop);
        }
    }
}

/// Quantized folders keep every weight of the family's layer: near the original at 8 bits.
#[test]
fn each_family_is_quantized_by_each_method_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for name in MODELS {
        let golden = Golden::open(name);
        let ids = golden.ids("n60.input_ids");
        let original = open(name, &DeviceChoice::cpu()).engine.logits(&ids).unwrap();
        let size = largest(original.iter().map(|logit| logit.abs()));
        for method in METHODS {
            let mut settings = Settings::new(Quant { method, bits: 8 });
            // Groups of 128 do not divide these columns.
            if settings.options.to_json()["group_size"] == 128 {
                let grid = grid::GridOptions { group_size: grid::GroupSize::Row, ..Default::default() };
                settings.options = match method.calibrated {
                    true => Box::new(grid::GptqOptions { grid, ..Default::default() }),
                    false => Box::new(grid::RtnOptions { grid }),
                };
            }
            let file = method.calibrated.then(|| fixture("tiny-prose.txt"));
            let calibration = Calibration { file, samples: 2, length: 32, ..Calibration::default() };
            let out = folder.path().join(format!("{name}-{}", method.name));
            let source = fixture(&format!("families/{name}"));
            quantize(&source, settings, &calibration, &DeviceChoice::cpu(), &out, &mut ()).unwrap();
            let mut model = load(&Spec::files(out), &DeviceChoice::cpu(), Some(256), &mut ()).unwrap();
            let found = model.engine.logits(&ids).unwrap();
            let off = largest_difference(&original, &found) / size;
            assert!(off > 0.0 && off < 0.1, "{name} by {}: {off} of the largest logit", method.name);
        }
    }
}

#[test]
fn every_family_has_a_tiny_model() {
    let model_type = |name: &&str| open(name, &DeviceChoice::cpu()).engine.model.config.family.model_type;
    let mut found: Vec<_> = MODELS.iter().map(model_type).collect();
    // tiny-qwen and micro-qwen.
    found.push("qwen2");
    for family in FAMILIES {
        assert!(found.contains(&family.model_type), "{family:?} has no fixture");
    }
}

#[test]
fn slots_are_unique() {
    for family in FAMILIES {
        let name = |slot: &Slot| match *slot {
            Slot::Norm { name, .. } | Slot::Linear { name, .. } => name,
        };
        let mut names: Vec<_> = family.layer.iter().map(name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{family:?}: {names:?}");
    }
}

#[test]
fn frequencies_equal_those_of_the_published_formulas() {
    let cases = std::fs::read(fixture("rope_frequencies.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_slice(&cases).unwrap();
    assert!(cases.len() >= 5);
    for case in &cases {
        let number = |field: &str| case[field].as_f64().unwrap();
        let numbers = |field: &str| -> Vec<f32> {
            case[field].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
        };
        let factor = |field: &str| number(field) as f32;
        let scaling = match case["rope_type"].as_str().unwrap() {
            "default" => RopeScaling::None,
            "linear" => RopeScaling::Linear { factor: factor("factor") },
            "llama3" => RopeScaling::Llama3 {
                factor: factor("factor"),
                low_freq_factor: factor("low_freq_factor"),
                high_freq_factor: factor("high_freq_factor"),
                original_max_position_embeddings: number("original_max_position_embeddings") as usize,
            },
            "factors" => RopeScaling::Factors(numbers("factors")),
            other => panic!("{other}"),
        };
        let name = case["name"].as_str().unwrap();
        let (expected, head_dim) = (numbers("frequencies"), number("head_dim") as usize);
        let table = rope_table(3, head_dim, number("rope_theta"), &scaling);
        // The row of position 1 has cosines and sines of the frequencies themselves.
        let (cosines, sines) = table[head_dim..2 * head_dim].split_at(head_dim / 2);
        let found: Vec<f32> = sines.iter().zip(cosines).map(|(sin, cos)| sin.atan2(*cos)).collect();
        assert_eq!(expected.len(), found.len(), "{name}");
        for (i, (expected, found)) in expected.iter().zip(&found).enumerate() {
            // The script computes in f64; theta^x alone costs f32 a few units in the last place.
            let error = (expected - found).abs() / expected;
            assert!(error < 2e-6, "{name}, pair {i}: expected {expected}, found {found}");
        }
        let table = rope_table(3, head_dim, number("rope_theta"), &scaling);
        assert_eq!(table[2 * head_dim], f64::from(2.0 * found[0]).cos() as f32, "{name}");
    }
}
