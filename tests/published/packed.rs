//! The real GGUF model of fixtures/real with its blocks packed, on every device.

use std::path::{Path, PathBuf};

use qwgpu::checkpoint::Checkpoint;
use qwgpu::generate::{DeviceChoice, Flow, KvType, Spec, load};
use safetensors::SafeTensors;

use crate::compare::largest_difference;
use crate::devices::devices;
use crate::external::External;

pub static TESTS: &[External] = &[External {
    name: "packed/logits_and_greedy_tokens_are_those_of_the_file's_own_values",
    needs: &["QWGPU_MODEL"],
    run: logits_and_greedy_tokens_are_those_of_the_files_own_values,
}];

/// Largest error of a logit.
const ALLOWED: f32 = 2e-3;

fn logits_and_greedy_tokens_are_those_of_the_files_own_values(paths: &[PathBuf]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/real/logits_packed.safetensors");
    let bytes = std::fs::read(file).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let ids = |name: &str| -> Vec<u32> {
        let id = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap()) as u32;
        golden.tensor(name).unwrap().data().chunks_exact(8).map(id).collect()
    };
    let numbers = |name: &str| -> Vec<f32> {
        let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        golden.tensor(name).unwrap().data().chunks_exact(4).map(number).collect()
    };
    let stored: u64 = Checkpoint::open(&paths[0]).unwrap().tensors.infos().iter().map(|tensor| tensor.bytes).sum();
    // The goldens are in f32.
    for device in devices().into_iter().map(|d| DeviceChoice { kv_cache: KvType::F32, ..d }) {
        let mut model = load(&Spec::files(&paths[0]), &device, Some(256), &mut ()).unwrap();
        let held = model.engine.model.weight_bytes();
        println!("{}: {held} bytes of weights for {stored} in the file", model.run);
        assert!(held as f64 <= 1.02 * stored as f64, "{held} bytes on the device");
        for prompt in ["english", "code", "chat"] {
            let input = ids(&format!("{prompt}.input_ids"));
            model.engine.truncate(0);
            let found = model.engine.logits(&input).unwrap();
            let pairs = ids(&format!("{prompt}.ids")).into_iter().zip(numbers(&format!("{prompt}.logits")));
            // Rows beyond the tokens are padding, which is masked.
            let tokens = pairs.filter(|(id, _)| (*id as usize) < found.len());
            let (expected, found): (Vec<f32>, Vec<f32>) = tokens.map(|(id, e)| (e, found[id as usize])).unzip();
            let off = largest_difference(&expected, &found);
            println!("{prompt}: logits off by {off:.1e}");
            assert!(off <= ALLOWED, "{prompt} on {device:?}: {off}");

            let expected = ids(&format!("{prompt}.greedy_ids"));
            let mut found = Vec::new();
            model.engine.truncate(0);
            let each = |id| {
                found.push(id);
                Ok(Flow::Continue)
            };
            model.engine.greedy(&input, expected.len(), each).unwrap();
            assert_eq!(found, expected, "{prompt} on {device:?}");
        }
    }
}
