//! Steps that do the work of several, as GPUs run them.

use qwgpu::generate::{DeviceChoice, Spec, load};

use crate::files::fixture;

/// The check of a model step by step uses the same tensors on both sides; a weight or an order in the wrong place shows here.
#[test]
fn fused_steps_give_the_logits_of_those_they_replace() {
    for model in [
        "micro-qwen",
        "quantized/gptq",
        "quantized/int8",
        "families/qwen2-k.gguf",
        "families/qwen3",
        "families/mistral",
        "families/llama3.1.gguf",
    ] {
        let logits_on = |device: DeviceChoice| {
            let spec = Spec::parse(fixture(model).to_str().unwrap()).unwrap();
            let mut model = load(&spec, &device, Some(32), &mut ()).unwrap();
            // By the kernels for many rows, and as a few rows each alone.
            model.engine.prefill(&[5, 3, 8, 13, 2, 9, 4, 11, 6, 1, 12]).unwrap();
            model.engine.prefill(&[10, 3, 14]).unwrap();
            model.engine.logits(&[7]).unwrap()
        };
        let fused = logits_on(DeviceChoice { device: Some("emulated:32".into()), ..DeviceChoice::default() });
        let alone = logits_on(DeviceChoice::cpu());
        let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v * v)).sum::<f64>();
        let differ = squares(&mut fused.iter().zip(&alone).map(|(a, b)| a - b));
        let nmse = differ / squares(&mut alone.iter().copied());
        // One wrong value of 64 in a norm's weights or in an order gives 1e-3 or more. What LLM.int8() rounds may become
        // another code by the last bit; it has no such weights and orders.
        let bound = if model == "quantized/int8" { 1e-3 } else { 1e-6 };
        assert!(nmse < bound, "{model}: {nmse:e}");
    }
}
