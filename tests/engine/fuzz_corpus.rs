//! Replays the fuzzers' inputs: whatever the bytes, reading ends in values or an error. How long an input may take is
//! the fuzzers' business (`-timeout`); here one that hangs shows as a test that does not end.

use std::path::Path;

use qwgpu::Result;
use qwgpu::checkpoint::{Checkpoint, SourceFile, Tensors, safetensors};

fn replay(corpus: &str, read: impl Fn(SourceFile) -> Result<()>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(corpus);
    let (mut sound, mut refused) = (0, 0);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let source = SourceFile::memory(&path, std::fs::read(&path).unwrap());
        match read(source) {
            Ok(()) => sound += 1,
            Err(error) => {
                refused += 1;
                let name = path.file_name().unwrap().to_string_lossy();
                assert!(error.to_string().contains(&*name), "{error}");
            }
        }
    }
    println!("{corpus}: {sound} read, {refused} refused");
    assert!(sound > 0 && refused > 0, "the corpus lost its seeds");
}

#[test]
fn gguf() {
    replay("gguf", |source| {
        let checkpoint = Checkpoint::from_gguf(source)?;
        for tensor in checkpoint.tensors.infos() {
            checkpoint.tensors.read_f32(&tensor.name, 0..tensor.elements(), &mut Vec::new())?;
            checkpoint.tensors.read_bf16(&tensor.name, 0..tensor.elements(), &mut Vec::new())?;
        }
        Ok(())
    });
}

#[test]
fn safetensors_files() {
    replay("safetensors", |source| {
        let tensors: Tensors = safetensors::open(source)?;
        for tensor in tensors.infos() {
            tensors.read_f32(&tensor.name, 0..tensor.elements(), &mut Vec::new())?;
            tensors.read_bf16(&tensor.name, 0..tensor.elements(), &mut Vec::new())?;
        }
        Ok(())
    });
}
