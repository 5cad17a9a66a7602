//! Any bytes as a GGUF file: opened, and every tensor read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qwgpu::checkpoint::{Checkpoint, Source};

fuzz_target!(|data: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_gguf(Source::memory("fuzz.gguf", data.to_vec())) else {
        return;
    };
    let (mut exact, mut rounded) = (Vec::new(), Vec::new());
    for tensor in checkpoint.tensors() {
        let all = 0..tensor.elements();
        let exact = checkpoint.read_f32(&tensor.name, all.clone(), &mut exact);
        let rounded = checkpoint.read_bf16(&tensor.name, all, &mut rounded);
        assert!(exact.is_ok() || rounded.is_err());
    }
});
