//! Any bytes as a safetensors file: opened, and every tensor read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qwgpu::checkpoint::{Source, safetensors};

fuzz_target!(|data: &[u8]| {
    let Ok(tensors) = safetensors::open(Source::memory("fuzz.safetensors", data.to_vec())) else {
        return;
    };
    let (mut exact, mut rounded) = (Vec::new(), Vec::new());
    for tensor in tensors.infos() {
        let all = 0..tensor.elements();
        let exact = tensors.read_f32(&tensor.name, all.clone(), &mut exact);
        let rounded = tensors.read_bf16(&tensor.name, all, &mut rounded);
        assert!(exact.is_ok() || rounded.is_err());
    }
});
