//! Quantized folders: those of other programs read as they meant them, and our own come back as they were.

use std::path::{Path, PathBuf};

use half::f16;
use qwgpu::checkpoint::{
    Checkpoint, NewFile, NewTensor, PartialFolder, SHARD_BYTES, SourceFile, TokenizerSource, Vocabulary,
    files_beside_weights, safetensors, write_safetensors,
};
use qwgpu::formats::QuantizedWeight;
use qwgpu::formats::codes::pack;
use qwgpu::formats::file::{FolderWriter, Quantization, read};
use qwgpu::formats::grid::{GptqFolder, Grid, Zeros};
use qwgpu::formats::int8::{Int8, Int8Folder, THRESHOLD};
use qwgpu::formats::spqr::{OutlierMeaning, Spqr, SpqrFolder};
use qwgpu::text::{Tokenizer, tokenizer_json};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::files::fixture;

/// The product of W [rows, cols] with cos(0), cos(1), ..., in f64.
fn product(weight: &[f32], cols: usize) -> Vec<f32> {
    let row = |row: &[f32]| row.iter().enumerate().map(|(j, &w)| f64::from(w) * (j as f64).cos()).sum::<f64>() as f32;
    weight.chunks_exact(cols).map(row).collect()
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{what}: {found}, not {expected}");
    }
}

/// Linears of micro-qwen, and those alike, with rows and columns.
fn linears(checkpoint: &Checkpoint) -> Vec<(String, usize, usize)> {
    let field = |name: &str| checkpoint.config[name].as_u64().unwrap() as usize;
    let (hidden, mlp) = (field("hidden_size"), field("intermediate_size"));
    let kv = hidden / field("num_attention_heads") * field("num_key_value_heads");
    let layer = |i: usize| {
        [
            ("self_attn.q_proj", hidden, hidden),
            ("self_attn.k_proj", kv, hidden),
            ("self_attn.v_proj", kv, hidden),
            ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", mlp, hidden),
            ("mlp.up_proj", mlp, hidden),
            ("mlp.down_proj", hidden, mlp),
        ]
        .map(|(name, rows, cols)| (format!("model.layers.{i}.{name}"), rows, cols))
    };
    (0..field("num_hidden_layers")).flat_map(layer).collect()
}

#[test]
fn folders_of_other_programs_hold_the_weights_they_meant() {
    let golden = safetensors::open(SourceFile::open(&fixture("quantized/golden.safetensors")).unwrap()).unwrap();
    for name in ["gptq", "int8"] {
        let checkpoint = Checkpoint::open(&fixture("quantized").join(name)).unwrap();
        let quantization = Quantization::of(&checkpoint).unwrap().unwrap();
        for (linear, rows, cols) in linears(&checkpoint) {
            let weight = read(&checkpoint, &linear, rows, cols, &quantization).unwrap().unwrap();
            if let Some(grid) = weight.downcast_ref::<Grid>() {
                assert!(grid.order.is_some(), "{linear}: quantized with desc_act");
            }
            let mut expected = Vec::new();
            golden.read_f32(&format!("{name}.{linear}"), 0..rows, &mut expected).unwrap();
            assert_close(&product(&weight.dequantize(), cols), &expected, &linear);
            let writer: Box<dyn FolderWriter> = match name {
                "gptq" => Box::new(GptqFolder::new(4, Some(32), false, true, Zeros::LessOne)),
                _ => Box::new(Int8Folder { threshold: THRESHOLD, skip: Vec::new() }),
            };
            assert_written_alike(&linear, &*weight, &*writer, &checkpoint);
        }
        assert!(quantization.notes.list().is_empty(), "{:?}", quantization.notes);
    }
}

#[test]
fn an_awq_folder_holds_the_weights_that_its_layout_says() {
    let golden = safetensors::open(SourceFile::open(&fixture("quantized/awq.safetensors")).unwrap()).unwrap();
    let checkpoint = Checkpoint::open(&fixture("quantized/awq")).unwrap();
    let quantization = Quantization::of(&checkpoint).unwrap().unwrap();
    for (linear, rows, cols) in linears(&checkpoint) {
        let weight = read(&checkpoint, &linear, rows, cols, &quantization).unwrap();
        if linear == "model.layers.1.mlp.down_proj" {
            assert!(weight.is_none(), "{linear}: not converted");
            continue;
        }
        let mut expected = Vec::new();
        golden.read_f32(&linear, 0..rows, &mut expected).unwrap();
        assert_close(&product(&weight.unwrap().dequantize(), cols), &expected, &linear);
    }
    assert!(quantization.notes.list().is_empty(), "{:?}", quantization.notes);
}

/// AutoAWQ wrote quant_config.json before config.json had the settings.
#[test]
fn an_old_awq_folder_is_told_from_a_gptq_one() {
    let folder = tempfile::tempdir().unwrap();
    let weights = std::fs::read(fixture("quantized/awq/model.safetensors")).unwrap();
    put_folder(folder.path(), &weights, "{}");
    let old = r#"{"zero_point": true, "q_group_size": 32, "w_bit": 4, "version": "GEMM"}"#;
    std::fs::write(folder.path().join("quant_config.json"), old).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let quantization = Quantization::of(&checkpoint).unwrap().unwrap();
    let weight = read(&checkpoint, "model.layers.0.mlp.up_proj", 128, 64, &quantization).unwrap().unwrap();
    assert_eq!(weight.downcast_ref::<Grid>().unwrap().group_size, 32);
}

/// Tensors of linears.safetensors by the setting before their last dot, with a config for each.
#[test]
fn every_width_and_version_is_unpacked_as_gptqmodel_does() {
    let file = fixture("quantized/linears.safetensors");
    let tensors = safetensors::open(SourceFile::open(&file).unwrap()).unwrap();
    let mut settings: Vec<&str> = tensors.infos().iter().filter_map(|t| t.name.strip_suffix(".product")).collect();
    settings.sort_unstable();
    assert_eq!(settings.len(), 8);
    for setting in settings {
        let words: Vec<&str> = setting.split(' ').collect();
        let (bits, sym) = (words[1].parse().unwrap(), words[3] == "sym");
        let zeros = if words[2] == "v1" { Zeros::LessOne } else { Zeros::Unchanged };
        let writer = GptqFolder::new(bits, Some(32), sym, !sym, zeros);
        let quantization = Quantization::new(Box::new(writer.clone()));
        let folder = tempfile::tempdir().unwrap();
        put_folder(folder.path(), &std::fs::read(&file).unwrap(), "{}");
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let weight = read(&checkpoint, setting, 32, 64, &quantization).unwrap().unwrap();
        let mut expected = Vec::new();
        tensors.read_f32(&format!("{setting}.product"), 0..32, &mut expected).unwrap();
        assert_close(&product(&weight.dequantize(), 64), &expected, setting);
        assert_written_alike(setting, &*weight, &writer, &checkpoint);
    }
}

/// Written again, a weight is the same tensors as in the folder it came from.
fn assert_written_alike(
    linear: &str,
    weight: &dyn QuantizedWeight,
    writer: &dyn FolderWriter,
    checkpoint: &Checkpoint,
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("linear.safetensors");
    let written = writer.write(linear, weight).unwrap();
    write_safetensors(&path, &written).unwrap();
    let back = safetensors::open(SourceFile::open(&path).unwrap()).unwrap();
    for tensor in back.infos() {
        let original = checkpoint.tensors.get(&tensor.name).unwrap();
        assert_eq!((&tensor.shape, tensor.storage.name), (&original.shape, original.storage.name), "{}", tensor.name);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        back.read_bytes(&tensor.name, 0..tensor.elements(), &mut ours).unwrap();
        checkpoint.tensors.read_bytes(&tensor.name, 0..tensor.elements(), &mut theirs).unwrap();
        assert!(ours == theirs, "{}", tensor.name);
    }
}

fn put_folder(folder: &Path, weights: &[u8], config: &str) {
    std::fs::write(folder.join("model.safetensors"), weights).unwrap();
    std::fs::write(folder.join("config.json"), config).unwrap();
    std::fs::write(folder.join("tokenizer.json"), "{}").unwrap();
}

/// Nearest codes: groups of stored columns, perhaps in a random order.
fn round_to_grid(
    weight: &[f32],
    cols: usize,
    bits: u32,
    group_size: usize,
    sym: bool,
    order: Option<Vec<u32>>,
) -> Grid {
    let (rows, most) = (weight.len() / cols, ((1 << bits) - 1) as f32);
    let (mut scales, mut zeros) = (vec![f16::ZERO; cols / group_size * rows], vec![0; cols / group_size * rows]);
    let mut codes = vec![0; rows * cols];
    for row in 0..rows {
        for g in 0..cols / group_size {
            let columns =
                (g * group_size..(g + 1) * group_size).map(|k| order.as_ref().map_or(k, |order| order[k] as usize));
            let values: Vec<f32> = columns.map(|c| weight[row * cols + c]).collect();
            let (mut low, mut high) = values.iter().fold((0f32, 0f32), |(l, h), &v| (l.min(v), h.max(v)));
            if sym {
                high = high.max(-low);
                low = -high;
            }
            let scale = f16::from_f32(((high - low) / most).max(1e-4));
            let zero = if sym { ((1u32 << bits) / 2) as f32 } else { (-low / scale.to_f32()).round().clamp(1.0, most) };
            scales[g * rows + row] = scale;
            zeros[g * rows + row] = zero as u8;
            for (i, value) in values.iter().enumerate() {
                codes[row * cols + g * group_size + i] = (value / scale.to_f32() + zero).round().clamp(0.0, most) as u8;
            }
        }
    }
    Grid { rows, cols, bits, group_size, codes: pack(&codes, cols, bits), scales, zeros, order }
}

fn round_to_int8(weight: &[f32], cols: usize) -> Int8 {
    let scales: Vec<f32> = weight.chunks_exact(cols).map(|r| r.iter().fold(0f32, |m, v| m.max(v.abs()))).collect();
    let code = |(row, scale): (&[f32], &f32)| row.iter().map(|v| (v * 127.0 / scale).round() as i8).collect::<Vec<_>>();
    let codes = weight.chunks_exact(cols).zip(&scales).flat_map(code).collect();
    Int8 { rows: scales.len(), cols, codes, scales, threshold: THRESHOLD }
}

fn shuffled(cols: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut order: Vec<u32> = (0..cols as u32).collect();
    for at in (1..cols).rev() {
        order.swap(at, rng.random_range(0..=at));
    }
    order
}

fn random_spqr(rows: usize, cols: usize, bits: u32, rng: &mut ChaCha8Rng) -> Spqr {
    let groups = cols / 16;
    let mut numbers =
        |count: usize, below: u32| (0..count).map(|_| rng.random_range(0..below) as u8).collect::<Vec<_>>();
    let codes = pack(&numbers(rows * cols, 1 << bits), cols, bits);
    let (scale_codes, zero_codes) = (numbers(groups * rows, 8), numbers(groups * rows, 8));
    let mut half = || f16::from_f32(rng.random_range(0.01..1.0));
    let stats = (0..groups * rows / 16).map(|_| [half(), half(), half(), half()]).collect();
    let (mut row_start, mut columns) = (vec![0], Vec::new());
    for row in 0..rows {
        columns.extend((0..cols).filter(|c| (c * 7 + row * 3) % 41 == 0).map(|c| c as u16));
        row_start.push(columns.len() as u32);
    }
    let values = columns.iter().map(|_| half()).collect();
    let order = Some(shuffled(cols, rng));
    Spqr {
        rows,
        cols,
        bits,
        group_size: 16,
        scale_bits: 3,
        zero_bits: 3,
        codes,
        scale_codes,
        zero_codes,
        stats,
        row_start,
        columns,
        values,
        order,
    }
}

fn spqr_folder(bits: u32) -> Box<dyn FolderWriter> {
    let outliers = OutlierMeaning::Add;
    Box::new(SpqrFolder { bits, group_size: 16, scale_bits: 3, zero_bits: 3, outliers })
}

/// Every format at every width, [64, 96].
fn samples() -> Vec<(Box<dyn QuantizedWeight>, Box<dyn FolderWriter>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (rows, cols) = (64, 96);
    let weight: Vec<f32> = (0..rows * cols).map(|_| rng.random_range(-1.0..1.0)).collect();
    let mut samples: Vec<(Box<dyn QuantizedWeight>, Box<dyn FolderWriter>)> = Vec::new();
    for bits in [2, 3, 4, 8] {
        for (group_size, sym, desc_act, zeros) in [
            (Some(32), true, false, Zeros::LessOne),
            (Some(32), false, true, Zeros::LessOne),
            (None, false, false, Zeros::Unchanged),
            (Some(96), true, false, Zeros::Unchanged),
        ] {
            // Within groups columns are in order, as a file's reader makes them.
            let order = desc_act.then(|| {
                let mut order = shuffled(cols, &mut rng);
                order.chunks_mut(32).for_each(<[u32]>::sort_unstable);
                order
            });
            let grid = round_to_grid(&weight, cols, bits, group_size.unwrap_or(cols), sym, order);
            let folder = GptqFolder::new(bits, group_size, sym, desc_act, zeros);
            samples.push((Box::new(grid), Box::new(folder)));
        }
        samples.push((Box::new(random_spqr(rows, cols, bits, &mut rng)), spqr_folder(bits)));
    }
    let mut dense = random_spqr(rows, cols, 3, &mut rng);
    (dense.row_start, dense.columns, dense.values, dense.order) = (vec![0; rows + 1], vec![], vec![], None);
    samples.push((Box::new(dense), spqr_folder(3)));
    // The threshold is the folder's: one that is not the default must reach the weight.
    let int8 = Int8 { threshold: 5.5, ..round_to_int8(&weight, cols) };
    let folder = Int8Folder { threshold: 5.5, skip: vec!["lm_head".into()] };
    samples.push((Box::new(int8), Box::new(folder)));
    samples
}

#[test]
fn weights_and_settings_come_back_as_they_were() {
    for (weight, writer) in samples() {
        let what = format!("{writer:?}");
        let folder = tempfile::tempdir().unwrap();
        let tensors = writer.write("a.b", &*weight).unwrap();
        write_safetensors(&folder.path().join("model.safetensors"), &tensors).unwrap();
        let config = serde_json::json!({"quantization_config": writer.to_json()});
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let found = Quantization::of(&checkpoint).unwrap().unwrap();
        assert_eq!(format!("{:?}", found.layout), what);
        let back = read(&checkpoint, "a.b", weight.rows(), weight.cols(), &found).unwrap().unwrap();
        assert!(format!("{back:?}") == format!("{weight:?}"), "{what}");
    }
}

#[test]
fn outliers_that_replace_become_what_is_to_be_added() {
    let mut spqr = random_spqr(64, 96, 2, &mut ChaCha8Rng::seed_from_u64(5));
    let writer = spqr_folder(2);
    let added = spqr.dequantize();
    // The weights under the outliers, in the order of the outliers.
    let order = spqr.order.clone().unwrap();
    for row in 0..spqr.rows {
        for at in spqr.row_start[row] as usize..spqr.row_start[row + 1] as usize {
            let column = order[spqr.columns[at] as usize] as usize;
            spqr.values[at] = f16::from_f32(added[row * spqr.cols + column]);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut config = writer.to_json();
    config.insert("outlier_semantics".into(), "replace".into());
    let (rows, cols) = (spqr.rows, spqr.cols);
    let tensors = writer.write("a", &spqr).unwrap();
    write_safetensors(&folder.path().join("model.safetensors"), &tensors).unwrap();
    let config = serde_json::json!({"quantization_config": config});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let quantization = Quantization::of(&checkpoint).unwrap().unwrap();
    let back = read(&checkpoint, "a", rows, cols, &quantization).unwrap().unwrap().dequantize();
    for (found, expected) in back.iter().zip(&added) {
        assert!((found - expected).abs() <= 2e-3 * expected.abs().max(0.5), "{found}, not {expected}");
    }
}

#[test]
fn rules_of_dynamic_give_modules_settings_of_their_own() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let weight: Vec<f32> = (0..64 * 96).map(|_| rng.random_range(-1.0..1.0)).collect();
    let gptq = |bits| GptqFolder::new(bits, Some(32), true, false, Zeros::LessOne);
    let mut tensors = Vec::new();
    for (name, bits) in [("model.layers.0.up", 4), ("model.layers.1.up", 8), ("model.layers.1.down", 2)] {
        let grid = round_to_grid(&weight, 96, bits, 32, true, None);
        tensors.extend(gptq(bits).write(name, &grid).unwrap());
    }
    let plain = vec![0; 64 * 96 * 2];
    tensors.push(NewTensor::from_bytes("model.layers.1.gate.weight".into(), "F16", &[64, 96], plain));
    let folder = tempfile::tempdir().unwrap();
    write_safetensors(&folder.path().join("model.safetensors"), &tensors).unwrap();
    let mut config = gptq(4).to_json();
    config.insert(
        "dynamic".into(),
        serde_json::json!({
            "-:.*\\.gate": {}, "+:model\\.layers\\.1\\.(down|gate)": {"bits": 2}, "model\\.layers\\.1\\.": {"w_bit": 8},
        }),
    );
    std::fs::write(folder.path().join("config.json"), serde_json::json!({"quantization_config": config}).to_string())
        .unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let quantization = Quantization::of(&checkpoint).unwrap().unwrap();
    for (name, bits) in [("0.up", Some(4)), ("1.up", Some(8)), ("1.down", Some(2)), ("1.gate", None)] {
        let found = read(&checkpoint, &format!("model.layers.{name}"), 64, 96, &quantization).unwrap();
        let found = found.map(|weight| weight.downcast_ref::<Grid>().expect("a grid").bits);
        assert_eq!(found, bits, "{name}");
    }
}

/// Folder and weights of a model that is quantized by rounding.
#[derive(Clone, Copy)]
struct Rounding {
    folder: fn() -> Box<dyn FolderWriter>,
    /// Returns W of these columns on the grid.
    round: fn(&[f32], usize) -> Box<dyn QuantizedWeight>,
}

/// Quantizes all linears of `source` by rounding; a piece a layer, or as far as `pieces`. None: done.
fn quantize(source: &Path, out: &Path, rounding: Rounding, pieces: usize, shard_bytes: u64) -> Option<()> {
    let checkpoint = Checkpoint::open(source).unwrap();
    let folder = (rounding.folder)();
    let config = folder.to_json();
    let work = PartialFolder::open(out, &serde_json::to_string(&config).unwrap()).unwrap()?;
    let linears = linears(&checkpoint);
    let unquantized = |wanted: &dyn Fn(&str) -> bool| -> Vec<NewTensor> {
        let linear = |name: &str| linears.iter().any(|(linear, ..)| name == format!("{linear}.weight"));
        let tied = checkpoint.config["tie_word_embeddings"] == true;
        let names = checkpoint.tensors.infos().iter().map(|t| t.name.as_str());
        names
            .filter(|name| wanted(name) && !linear(name) && !(tied && *name == "lm_head.weight"))
            .map(|name| NewTensor::from_checkpoint(&checkpoint, name, "F16").unwrap())
            .collect()
    };
    let layers = checkpoint.config["num_hidden_layers"].as_u64().unwrap() as usize;
    let mut names = Vec::new();
    for layer in 0..layers {
        let (name, prefix) = (format!("block-{layer:05}"), format!("model.layers.{layer}."));
        names.push(name.clone());
        if work.has(&name) {
            continue;
        }
        if layer == pieces {
            return Some(());
        }
        let mut tensors = unquantized(&|name| name.starts_with(&prefix));
        for (linear, rows, cols) in linears.iter().filter(|(linear, ..)| linear.starts_with(&prefix)) {
            let mut weight = Vec::new();
            checkpoint.tensors.read_f32(&format!("{linear}.weight"), 0..rows * cols, &mut weight).unwrap();
            tensors.extend(folder.write(linear, &*(rounding.round)(&weight, *cols)).unwrap());
        }
        work.write(&name, &tensors).unwrap();
    }
    names.push("rest".into());
    if !work.has("rest") {
        work.write("rest", &unquantized(&|name| !name.starts_with("model.layers."))).unwrap();
    }
    let files = files_beside_weights(&checkpoint, &config, "float16", |vocab| tokenizer_json(vocab, source));
    work.finish(&names, &files.unwrap(), shard_bytes).unwrap();
    Some(())
}

const INT8: Rounding = Rounding {
    folder: || Box::new(Int8Folder { threshold: THRESHOLD, skip: Vec::new() }),
    round: |weight, cols| Box::new(round_to_int8(weight, cols)),
};

/// Names and bytes of all files below.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_run_that_stopped_anywhere_goes_on_to_the_same_bytes() {
    let (source, scratch) = (fixture("micro-qwen"), tempfile::tempdir().unwrap());
    let out = |name: &str| scratch.path().join(name);
    for shard_bytes in [SHARD_BYTES, 100_000] {
        let (whole, parts) = (out(&format!("whole-{shard_bytes}")), out(&format!("parts-{shard_bytes}")));
        quantize(&source, &whole, INT8, usize::MAX, shard_bytes).unwrap();
        for pieces in [0, 1] {
            quantize(&source, &parts, INT8, pieces, shard_bytes).unwrap();
            assert!(!parts.exists());
        }
        quantize(&source, &parts, INT8, usize::MAX, shard_bytes).unwrap();
        assert!(contents(&whole) == contents(&parts));
        let names: Vec<_> = contents(&whole).into_iter().map(|file| file.0).collect();
        assert_eq!(names.contains(&"model.safetensors.index.json".to_owned()), shard_bytes != SHARD_BYTES, "{names:?}");
        for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
            assert!(contents(&whole).contains(&(name.into(), std::fs::read(source.join(name)).unwrap())), "{name}");
        }
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().filter(|e| is_partial(e.as_ref().unwrap())).count(), 0);
        let checkpoint = Checkpoint::open(&whole).unwrap();
        let quantization = Quantization::of(&checkpoint).unwrap().unwrap();
        for (linear, rows, cols) in linears(&checkpoint) {
            assert!(read(&checkpoint, &linear, rows, cols, &quantization).unwrap().is_some());
        }
        assert!(read(&checkpoint, "lm_head", 320, 64, &quantization).unwrap().is_none());
    }
}

fn is_partial(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().to_str().unwrap().ends_with(".partial")
}

#[test]
fn a_killed_finish_is_finished_again() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("model");
    let partial = scratch.path().join("model.partial");
    let files = [NewFile { name: "config.json".into(), bytes: b"{}".to_vec() }];
    let tensor = || NewTensor::from_bytes("a".into(), "F32", &[2], vec![0; 8]);
    let begin = || {
        let work = PartialFolder::open(&out, "settings").unwrap().unwrap();
        work.write("one", &[tensor()]).unwrap();
        work
    };
    // Killed while it made the folder: half of it is there.
    drop(begin());
    std::fs::create_dir(partial.join("folder")).unwrap();
    std::fs::write(partial.join("folder/config.json"), b"{").unwrap();
    begin().finish(&["one".into()], &files, SHARD_BYTES).unwrap();
    let finished = contents(&out);
    assert_eq!(finished.len(), 2);
    // Killed after it gave the name: what is left says so, or nothing is left.
    for left in [&["settings", "complete", "one.safetensors", "lock"][..], &["complete"], &["lock"], &[]] {
        std::fs::create_dir(&partial).unwrap();
        for name in left {
            std::fs::write(partial.join(name), "settings").unwrap();
        }
        assert!(PartialFolder::open(&out, "settings").unwrap().is_none(), "{left:?}");
        assert!(!partial.exists() && contents(&out) == finished, "{left:?}");
    }
    let error = PartialFolder::open(&out, "settings").unwrap_err().to_string();
    assert!(error.contains("not there yet") && !partial.exists(), "{error}");
}

#[test]
fn two_runs_or_other_settings_on_one_folder_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("model");
    let first = PartialFolder::open(&out, "bits 4").unwrap();
    let error = PartialFolder::open(&out, "bits 4").unwrap_err().to_string();
    assert!(error.contains("no other process") && error.contains("model.partial"), "{error}");
    // Before the first piece other settings take the place of the first.
    drop(first);
    let first = PartialFolder::open(&out, "bits 3").unwrap().unwrap();
    drop(first);
    let first = PartialFolder::open(&out, "bits 4").unwrap().unwrap();
    first.write("piece", &[]).unwrap();
    drop(first);
    let error = PartialFolder::open(&out, "bits 3").unwrap_err().to_string();
    assert!(error.contains("expected bits 3, found bits 4") && error.contains("model.partial"), "{error}");
    assert!(PartialFolder::open(&out, "bits 4").unwrap().is_some());
}

/// Of settings in JSON, as they are, the first field that differs is named, and not the whole.
#[test]
fn a_setting_that_differs_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("model");
    let settings = |size: u32| format!(r#"{{"model":"a","settings":{{"bits":4,"group_size":{size}}}}}"#);
    let begun = PartialFolder::open(&out, &settings(32)).unwrap().unwrap();
    begun.write("piece", &[]).unwrap();
    drop(begun);
    let error = PartialFolder::open(&out, &settings(64)).unwrap_err().to_string();
    let expected = "settings.group_size of the run that was begun: expected 64, found 32";
    assert!(error.contains(expected) && !error.contains("bits"), "{error}");
}

/// A limit on file sizes stands for a full disk; it is the process's, so the work is done in one of its own.
#[cfg(unix)]
#[test]
fn a_full_disk_is_named_with_the_bytes_needed_and_leaves_nothing_behind() {
    const FOLDER: &str = "QWGPU_TEST_FULL_DISK";
    let Ok(folder) = std::env::var(FOLDER) else {
        let folder = tempfile::tempdir().unwrap();
        let name = "quantized_files::a_full_disk_is_named_with_the_bytes_needed_and_leaves_nothing_behind";
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        return;
    };
    use nix::sys::{resource, signal};
    // SAFETY: no handler is installed; the signal is only ignored, so that the write errors.
    unsafe { signal::signal(signal::Signal::SIGXFSZ, signal::SigHandler::SigIgn) }.unwrap();
    resource::setrlimit(resource::Resource::RLIMIT_FSIZE, 1 << 20, 1 << 20).unwrap();
    let path = Path::new(&folder).join("big.safetensors");
    let tensor = NewTensor::from_bytes("a".into(), "U8", &[2 << 20], vec![1; 2 << 20]);
    let error = write_safetensors(&path, &[tensor]).unwrap_err().to_string();
    assert!(error.contains("big.safetensors") && error.contains("the file needs 2097"), "{error}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn files_are_sorted_aligned_and_read_by_the_safetensors_crate() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.safetensors");
    let tensor = |name: &str, dtype: &str, shape: &[usize], bytes: usize| {
        NewTensor::from_bytes(name.into(), dtype, shape, (0..bytes).map(|i| i as u8).collect())
    };
    let tensors = [
        tensor("b", "U8", &[], 1),
        tensor("c", "F16", &[3], 6),
        tensor("empty", "U16", &[0], 0),
        tensor("z", "F32", &[2], 8),
        tensor("a", "F32", &[1], 4),
    ];
    write_safetensors(&path, &tensors).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (length, metadata) = ::safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(length % 8, 0);
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    assert_eq!(metadata.offset_keys(), ["a", "z", "c", "empty", "b"]);
    for tensor in &tensors {
        let found = file.tensor(&tensor.name).unwrap();
        assert_eq!((found.shape(), found.data().len() as u64), (&tensor.shape[..], tensor.bytes()));
    }
}

#[test]
fn values_too_large_for_f16_are_named() {
    let scratch = tempfile::tempdir().unwrap();
    let big: Vec<u8> = [1.0f32, 131_072.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let path = scratch.path().join("model.safetensors");
    write_safetensors(&path, &[NewTensor::from_bytes("a".into(), "F32", &[2], big)]).unwrap();
    put_folder(scratch.path(), &std::fs::read(&path).unwrap(), "{}");
    let checkpoint = Checkpoint::open(scratch.path()).unwrap();
    let out = scratch.path().join("out.safetensors");
    let tensor = NewTensor::from_checkpoint(&checkpoint, "a", "F16").unwrap();
    let error = write_safetensors(&out, &[tensor]).unwrap_err().to_string();
    assert!(error.contains("model.safetensors: tensor a, element 1") && error.contains("131072"), "{error}");
    assert!(!out.exists());
}

#[test]
fn a_gguf_vocabulary_becomes_a_tokenizer_json_of_the_same_ids() {
    // The fixture's tokens as GGUF lists them, in two ways: as they are, and with a hole before the added ones.
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture("text/small_tokenizer.json")).unwrap()).unwrap();
    for hole in [0, 3] {
        let mut listed: Vec<(u64, String, i32)> = Vec::new();
        for (token, id) in json["model"]["vocab"].as_object().unwrap() {
            listed.push((id.as_u64().unwrap(), token.clone(), 1));
        }
        for token in json["added_tokens"].as_array().unwrap() {
            let kind = if token["special"] == true { 3 } else { 4 };
            listed.push((token["id"].as_u64().unwrap() + hole, token["content"].as_str().unwrap().into(), kind));
        }
        listed.sort();
        let ids = listed.last().unwrap().0 as usize + 1;
        let (mut tokens, mut types) = ((0..ids).map(|id| format!("[PAD{id}]")).collect::<Vec<_>>(), vec![5; ids]);
        for (id, token, kind) in listed {
            (tokens[id as usize], types[id as usize]) = (token, kind);
        }
        let merge = |merge: &serde_json::Value| match merge {
            serde_json::Value::String(merge) => merge.clone(),
            pair => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
        };
        let merges: Vec<String> = json["model"]["merges"].as_array().unwrap().iter().map(merge).collect();
        let vocabulary = || Vocabulary {
            tokens: tokens.clone(),
            token_types: types.clone(),
            merges: merges.clone(),
            pre: "qwen2".into(),
            model: "gpt2".into(),
            ..Vocabulary::default()
        };
        let origin = Path::new("a.gguf");
        let direct = Tokenizer::from_vocabulary(&vocabulary(), origin).unwrap();
        let bytes = tokenizer_json(&vocabulary(), origin).unwrap();
        assert_eq!(Tokenizer::from_json(&bytes, origin).unwrap().digest(), direct.digest());
        let theirs: tokenizers::Tokenizer = serde_json::from_slice(&bytes).unwrap();
        let text = "<|im_start|>user\nIt's 12 + 7, 狐狸住在森林里。\u{301} naïve  \n\n x<|im_end|>";
        let found = theirs.encode(text, false).unwrap();
        assert_eq!(found.get_ids(), direct.encode(text).unwrap(), "hole of {hole}");
    }
}

/// Folders for scripts/check_quantized_folder.py, in the folder QWGPU_OUT names. With QWGPU_GGUF, of that model.
#[test]
#[ignore = "writes folders for other programs to check"]
fn write_folders_for_other_programs() {
    let out = PathBuf::from(std::env::var("QWGPU_OUT").expect("QWGPU_OUT names a folder"));
    let gguf = std::env::var("QWGPU_GGUF").ok().map(PathBuf::from);
    let source = gguf.clone().unwrap_or(fixture("micro-qwen"));
    macro_rules! grid {
        ($name:literal, $bits:literal, $group:expr, $sym:literal, $zeros:ident, $scattered:expr) => {{
            let rounding = Rounding {
                folder: || Box::new(GptqFolder::new($bits, $group, $sym, $scattered, Zeros::$zeros)),
                round: |weight, cols| {
                    let order = $scattered.then(|| shuffled(cols, &mut ChaCha8Rng::seed_from_u64(cols as u64)));
                    Box::new(round_to_grid(weight, cols, $bits, $group.unwrap_or(cols), $sym, order))
                },
            };
            ($name, rounding)
        }};
    }
    let mut folders = vec![("int8", INT8), grid!("gptq4", 4, Some(32), true, LessOne, false)];
    if gguf.is_none() {
        folders.extend([
            grid!("gptq2", 2, Some(32), false, LessOne, false),
            grid!("gptq3", 3, Some(32), false, LessOne, true),
            grid!("gptq4v2", 4, Some(32), false, Unchanged, true),
            grid!("gptq8", 8, None::<usize>, true, LessOne, false),
        ]);
    }
    for (name, rounding) in folders {
        quantize(&source, &out.join(name), rounding, usize::MAX, SHARD_BYTES).unwrap();
        let checkpoint = Checkpoint::open(&out.join(name)).unwrap();
        assert!(matches!(checkpoint.tokenizer, TokenizerSource::Json(_)));
    }
}
