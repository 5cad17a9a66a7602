//! The real GGUF model of fixtures/real with its blocks packed.

use std::path::{Path, PathBuf};

use qwgpu::generate::{DeviceChoice, Spec, load};
use safetensors::SafeTensors;

use crate::compare::largest_difference;
use crate::external::External;

pub static TESTS: &[External] = &[External {
    name: "packed/logits_are_those_of_the_file's_own_values",
    needs: &["QWGPU_MODEL", "QWGPU_GOLDEN"],
    run: logits_are_those_of_the_files_own_values,
}];

fn logits_are_those_of_the_files_own_values(paths: &[PathBuf]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/real/logits_packed.safetensors");
    let bytes = std::fs::read(file).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let ids = |name: &str| -> Vec<u32> {
        let id = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap()) as u32;
        golden.tensor(name).unwrap().data().chunks_exact(8).map(id).collect()
    };
    let spec = Spec::files(paths[0].clone());
    let mut model = load(&spec, &DeviceChoice::cpu(), Some(256), &mut ()).unwrap();
    let held = model.engine.model.weight_bytes() as f64;
    assert!(held <= 1.02 * std::fs::metadata(&paths[0]).unwrap().len() as f64, "{held} bytes on the device");
    for prompt in ["english", "code", "chat"] {
        let logits = golden.tensor(&format!("{prompt}.logits")).unwrap();
        let logits = logits.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        model.engine.truncate(0);
        let found = model.engine.logits(&ids(&format!("{prompt}.input_ids"))).unwrap();
        let pairs = ids(&format!("{prompt}.ids")).into_iter().zip(logits);
        // Rows beyond the tokens are padding, which is masked.
        let tokens = pairs.filter(|(id, _)| (*id as usize) < found.len());
        let (expected, found): (Vec<f32>, Vec<f32>) = tokens.map(|(id, e)| (e, found[id as usize])).unzip();
        let off = largest_difference(&expected, &found);
        println!("packed {prompt}: logits off by {off:.1e}");
        assert!(off <= 2e-3, "{prompt}: {off}");
    }
}
