//! Files of tests: the bundled ones, and temporary ones.

use std::path::{Path, PathBuf};

/// Returns the path of a file or folder below `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Writes a file below `folder`, with the folders above it.
pub fn put(folder: &Path, name: &str, contents: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, contents).unwrap();
}

/// Copies the files of a folder, and of the folders in it.
pub fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            copy_folder(&path, &to.join(name));
        } else {
            put(to, name, std::fs::read(&path).unwrap());
        }
    }
}
