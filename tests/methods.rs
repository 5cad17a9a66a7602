//! Quantizers: against the published references' own numbers on a real layer, against slow programs
//! written from the definitions, and on weights and Hessians that go wrong.
//!
//! The goldens are in the folder QWGPU_GOLDEN, or in ../shared/golden; without them their tests show
//! as ignored.

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "common/compare.rs"]
mod compare;
#[path = "methods/device.rs"]
mod device;
#[path = "methods/golden.rs"]
mod golden;
#[path = "methods/int8_golden.rs"]
mod int8_golden;
#[path = "methods/options.rs"]
mod options;
#[path = "methods/properties.rs"]
mod properties;
#[path = "methods/slow.rs"]
mod slow;

type Test = (&'static str, fn() -> Result<(), Failed>);

fn main() {
    let arguments = Arguments::from_args();
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden");
    let folder = std::env::var_os("QWGPU_GOLDEN").map_or(beside, PathBuf::from);
    let absent = !folder.join("layer_input.safetensors").exists();
    if absent {
        eprintln!("tests against the references are ignored: set QWGPU_GOLDEN to the folder of their numbers");
    }
    let mut tests: Vec<Trial> = golden::TESTS
        .iter()
        .map(|&(name, test)| {
            let folder = folder.clone();
            Trial::test(format!("golden/{name}"), move || test(&folder)).with_ignored_flag(absent)
        })
        .collect();
    for (file, list) in [("slow", slow::TESTS), ("properties", properties::TESTS), ("device", device::TESTS)] {
        tests.extend(list.iter().map(|&(name, test)| Trial::test(format!("{file}/{name}"), test)));
    }
    tests.extend(int8_golden::tests(&folder));
    libtest_mimic::run(&arguments, tests).exit();
}
