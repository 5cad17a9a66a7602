//! Bad checkpoints, one named case each: every one ends in an error that names the file, the field and
//! what to do, within a second and without memory out of proportion to the file.

mod atomic_write;
mod bad_folders;
mod bad_gguf;
mod bad_gguf_model;
mod bad_quantized;
mod bad_safetensors;
mod families;
mod memory;
mod sample;

use std::path::Path;

use qwgpu::checkpoint::Checkpoint;
use qwgpu::{Error, Result};
use safetensors::SafeTensors;

/// A bad input: what it is, the words its error must hold, and the bytes.
pub struct Case {
    pub name: &'static str,
    pub words: Vec<&'static str>,
    pub files: Files,
}

/// Files of a folder, by name.
pub type Files = Vec<(String, Vec<u8>)>;

pub fn case(name: &'static str, words: &[&'static str], files: Files) -> Case {
    Case { name, words: words.to_vec(), files }
}

/// What a reader may hold beyond twice the file: buffers, names, the error's text.
const SLACK: usize = 256 << 10;

#[test]
fn bad_inputs_end_in_errors_that_name_the_fault() {
    let cases: Vec<Case> = [bad_gguf::cases(), bad_gguf_model::cases(), bad_safetensors::cases(), bad_folders::cases()]
        .into_iter()
        .flatten()
        .collect();
    check(&cases, open_and_read);
}

#[test]
fn bad_quantized_weights_end_in_errors_that_name_the_fault() {
    for files in bad_quantized::sound() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), &files);
        bad_quantized::open_and_read(folder.path()).unwrap();
    }
    check(&bad_quantized::cases(), bad_quantized::open_and_read);
}

/// Writes files into a folder; their bytes.
fn put(folder: &Path, files: &Files) -> usize {
    for (name, contents) in files {
        std::fs::write(folder.join(name), contents).unwrap();
    }
    files.iter().map(|file| file.1.len()).sum()
}

fn check(cases: &[Case], read: fn(&Path) -> Result<()>) {
    let mut wrong = Vec::new();
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        let bytes = put(folder.path(), &case.files);
        let (result, most) = memory::most_held(|| read(folder.path()));
        let text = match result {
            Ok(()) => "no error".to_owned(),
            Err(error) => error.to_string(),
        };
        println!("{}: {text}", case.name);
        for word in &case.words {
            if !text.contains(*word) {
                wrong.push(format!("{}: no {word:?} in: {text}", case.name));
            }
        }
        if text.contains("not supported") == text.contains("expected") {
            wrong.push(format!("{}: neither expected nor found in: {text}", case.name));
        }
        if most > 2 * bytes + SLACK {
            wrong.push(format!("{}: {most} bytes held for {bytes}", case.name));
        }
    }
    println!("{} cases", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn open_and_read(folder: &Path) -> Result<()> {
    let checkpoint = Checkpoint::open(folder)?;
    let (mut exact, mut rounded) = (Vec::new(), Vec::new());
    for tensor in checkpoint.tensors.infos() {
        let all = 0..tensor.elements();
        checkpoint.tensors.read_f32(&tensor.name, all.clone(), &mut exact)?;
        checkpoint.tensors.read_bf16(&tensor.name, all, &mut rounded)?;
    }
    Ok(())
}

/// The reason why the header is read here and not by the `safetensors` crate.
#[test]
fn the_safetensors_crate_accepts_bad_files() {
    let (mut accepted, mut names_tensor, mut cases) = (Vec::new(), 0, bad_safetensors::cases());
    // The faults of weights are found when they are read.
    cases.retain(|case| !case.name.contains("weight"));
    for case in &cases {
        match SafeTensors::deserialize(&case.files.last().unwrap().1) {
            Ok(_) => accepted.push(case.name),
            Err(error) => names_tensor += usize::from(error.to_string().contains("tensor `")),
        }
    }
    assert_eq!(
        accepted,
        [
            "duplicate that fills the file",
            "unknown field",
            "name with ../",
            "absolute name",
            "name with \\",
            "name ..",
            "name with NUL",
            "empty name",
        ]
    );
    assert_eq!((cases.len(), names_tensor), (51, 7));
}

#[test]
fn many_small_entries_hold_memory_in_proportion() {
    for (name, bytes) in [
        ("keys", bad_gguf_model::many_keys()),
        ("tokens", bad_gguf_model::many_tokens()),
        ("tensors", bad_gguf_model::many_tensors()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.gguf"), &bytes).unwrap();
        let (result, most) = memory::most_held(|| Checkpoint::open(folder.path()));
        assert!(result.is_err(), "{name}");
        let limit = 2 * bytes.len() + SLACK;
        println!("{name}: {} bytes, {most} held at most", bytes.len());
        assert!(most <= limit, "{name}: {most} bytes held for {}", bytes.len());
    }
}

#[test]
fn both_kinds_of_checkpoint_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    };
    write("one.gguf", &sample::gguf().bytes());
    let gguf = Checkpoint::open(&folder.path().join("one.gguf")).unwrap();
    assert_eq!(Checkpoint::open(folder.path()).unwrap().tensors.infos().len(), gguf.tensors.infos().len());
    for (name, bytes) in sample::folder() {
        write(&name, &bytes);
    }
    let hub = Checkpoint::open(folder.path()).unwrap();

    for field in sample::SHARED_FIELDS {
        assert_eq!(gguf.config.get(*field), hub.config.get(*field), "{field}");
    }
    assert_eq!(gguf.chat_template, hub.chat_template);
    assert_eq!(gguf.generation, hub.generation);
    assert_eq!(gguf.tensors.infos().len(), hub.tensors.infos().len());
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for tensor in gguf.tensors.infos() {
        assert_eq!(tensor.shape, hub.tensors.get(&tensor.name).unwrap().shape);
        let all = 0..tensor.elements();
        gguf.tensors.read_f32(&tensor.name, all.clone(), &mut one).unwrap();
        hub.tensors.read_f32(&tensor.name, all, &mut other).unwrap();
        assert_eq!(one, other, "{}", tensor.name);
    }
}

#[test]
fn parts_read_as_the_whole_does() {
    let checkpoint = sample::quantized();
    let name = "model.embed_tokens.weight";
    let (mut whole, mut part, mut bits) = (Vec::new(), Vec::new(), Vec::new());
    checkpoint.tensors.read_f32(name, 0..1024, &mut whole).unwrap();
    for range in [0..0, 0..32, 32..1024, 960..1024, 1024..1024] {
        checkpoint.tensors.read_f32(name, range.clone(), &mut part).unwrap();
        assert_eq!(part, whole[range.clone()]);
        checkpoint.tensors.read_bf16(name, range.clone(), &mut bits).unwrap();
        let rounded: Vec<u16> = part.iter().map(|v| half::bf16::from_f32(*v).to_bits()).collect();
        assert_eq!(bits, rounded);
    }
    for range in [1..32, 0..31, 1024..1056, usize::MAX - 31..usize::MAX] {
        let error = checkpoint.tensors.read_f32(name, range, &mut part).unwrap_err();
        assert!(matches!(error, Error::Request { .. }), "{error}");
    }
    let error = checkpoint.tensors.read_f32("absent", 0..1, &mut part).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
}

#[test]
fn a_file_cut_short_while_open_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let bytes = sample::gguf().bytes();
    std::fs::write(&path, &bytes).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(bytes.len() as u64 / 2).unwrap();
    let last = checkpoint.tensors.infos().last().unwrap();
    let error = checkpoint.tensors.read_f32(&last.name, 0..last.elements(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("model.gguf") && error.contains("cut short"), "{error}");
}

#[test]
fn values_that_are_no_bf16_are_refused_by_name_and_index() {
    for (bits, as_f32) in [
        (0x7fc0_0000u32, false),
        (0x7f80_0000, false),
        (0xff80_0000, false),
        (0x7f7f_8000, true), // finite, but rounds to an infinite bf16
        (0x7f7f_7fff, true),
    ] {
        let mut gguf = sample::gguf();
        gguf.tensor("output_norm.weight").data[4..8].copy_from_slice(&bits.to_le_bytes());
        let checkpoint = gguf.open().unwrap();
        let name = "model.norm.weight";
        let exact = checkpoint.tensors.read_f32(name, 0..8, &mut Vec::new());
        assert_eq!(exact.is_ok(), as_f32, "{bits:#x}");
        match checkpoint.tensors.read_bf16(name, 0..8, &mut Vec::new()) {
            Ok(()) => assert_eq!(bits, 0x7f7f_7fff),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("model.norm.weight, element 1"), "{error}");
            }
        }
    }
}

/// Writes the fuzzers' seeds: the sound samples, and every bad file that is short.
#[test]
#[ignore = "rewrites fuzz/corpus from the cases; run it when cases change"]
fn write_fuzz_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut seeds = vec![
        ("gguf", "sound".to_owned(), sample::gguf().bytes()),
        ("gguf", "sound llama".to_owned(), sample::llama().bytes()),
        ("safetensors", "sound".to_owned(), sample::shard(|_| true)),
    ];
    for case in [bad_gguf::cases(), bad_gguf_model::cases()].into_iter().flatten() {
        seeds.extend(case.files.into_iter().map(|file| ("gguf", case.name.to_owned(), file.1)));
    }
    for mut case in bad_safetensors::cases() {
        seeds.extend(case.files.pop().map(|file| ("safetensors", case.name.to_owned(), file.1)));
    }
    for (format, name, bytes) in seeds {
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        std::fs::create_dir_all(corpus.join(format)).unwrap();
        if bytes.len() < 16_384 {
            std::fs::write(corpus.join(format).join(name), bytes).unwrap();
        }
    }
}
