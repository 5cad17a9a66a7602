//! The published package holds what the crate compiles from, not the fixtures, and is small.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Largest package, compressed.
const MOST_BYTES: u64 = 2_000_000;

/// Runs `cargo package` without the network, and returns what it prints.
fn package(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--offline", "--allow-dirty", "--no-verify"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns every file below a folder of the repository, by its path from the root.
fn files(folder: &Path) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap());
    let each = entries.flat_map(|entry| {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() { files(&path) } else { vec![path] }
    });
    each.collect()
}

#[test]
fn the_package_holds_what_is_compiled_and_no_fixtures() {
    let list = package(&["--list"]);
    let packed: BTreeSet<PathBuf> = list.lines().map(PathBuf::from).collect();
    for folder in ["src", "shaders"] {
        for file in files(Path::new(folder)) {
            assert!(packed.contains(&file), "{} is not in the package: see `include` in Cargo.toml", file.display());
        }
    }
    for file in files(Path::new("src")).iter().filter(|file| file.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        for call in ["include_str!(\"", "include_bytes!(\""] {
            for (_, rest) in text.match_indices(call).map(|(at, _)| text.split_at(at + call.len())) {
                let target = file.parent().unwrap().join(&rest[..rest.find('"').unwrap()]);
                assert!(packed.contains(&target), "{} includes {}", file.display(), target.display());
            }
        }
    }
    let strays: Vec<_> = packed.iter().filter(|f| f.starts_with("tests") || f.starts_with("fixtures")).collect();
    assert!(strays.is_empty(), "{strays:?}");
}

#[test]
fn the_package_is_small() {
    let target = tempfile::tempdir().unwrap();
    package(&["--quiet", "--target-dir", target.path().to_str().unwrap()]);
    let package = target.path().join("package").join(format!("qwgpu-{}.crate", env!("CARGO_PKG_VERSION")));
    let bytes = std::fs::metadata(&package).unwrap().len();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes, more than {MOST_BYTES}");
}
