//! Variants of fixtures/micro-qwen in temporary folders.

use std::path::PathBuf;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::files::{copy_folder, fixture};

/// Returns the folder of the model itself.
pub fn folder() -> PathBuf {
    fixture("micro-qwen")
}

/// Returns a copy whose config.json `edit` has changed.
pub fn with_config(edit: impl FnOnce(&mut Map<String, Value>)) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder(), copy.path());
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

/// Returns a copy whose one unsharded file holds the tensors that `edit` returns.
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
