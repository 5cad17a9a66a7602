//! Variants of fixtures/micro-qwen, each in a folder of its own.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value};
use tempfile::TempDir;

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/micro-qwen")
}

/// A copy whose config.json `edit` has changed.
pub fn with_config(edit: impl FnOnce(&mut Map<String, Value>)) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let file = copy.path().join("config.json");
    let mut config: Map<String, Value> = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    edit(&mut config);
    std::fs::write(&file, serde_json::to_string(&config).unwrap()).unwrap();
    copy
}

/// A bf16 tensor.
pub struct Weight {
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// A copy with one unsharded file of those tensors that `edit` gives back.
pub fn with_weights(
    edit_config: impl FnOnce(&mut Map<String, Value>),
    edit: impl Fn(&str, Weight) -> Option<Weight>,
) -> TempDir {
    let copy = with_config(edit_config);
    let mut weights = Vec::new();
    for shard in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        let shard = copy.path().join(shard);
        let bytes = std::fs::read(&shard).unwrap();
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
            let weight = Weight { shape: view.shape().to_vec(), bytes: view.data().to_vec() };
            weights.extend(edit(&name, weight).map(|weight| (name, view.dtype(), weight)));
        }
        std::fs::remove_file(shard).unwrap();
    }
    std::fs::remove_file(copy.path().join("model.safetensors.index.json")).unwrap();
    let views = weights
        .iter()
        .map(|(name, dtype, weight)| (name, TensorView::new(*dtype, weight.shape.clone(), &weight.bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &copy.path().join("model.safetensors")).unwrap();
    copy
}

/// A model whose replies end only with the context: the rows of the tokens that end one are zero.
#[allow(dead_code, reason = "not every test file that has this module needs it")]
pub fn endless() -> TempDir {
    let context = |config: &mut Map<String, Value>| {
        config.insert("max_position_embeddings".into(), 65_536.into());
    };
    with_weights(context, |name, mut weight| {
        if name == "lm_head.weight" {
            for token in 256..259 {
                weight.bytes[token * 128..(token + 1) * 128].fill(0);
            }
        }
        Some(weight)
    })
}
