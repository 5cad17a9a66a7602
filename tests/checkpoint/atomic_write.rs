//! Files that are written whole or not at all.

use std::io;
use std::path::Path;

use qwgpu::atomic_write::{Failure, write, write_with};

#[test]
fn a_failed_write_leaves_what_was_there_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.csv");
    write(&path, "first").unwrap();
    let failed = write_with(&path, 6, |out| -> Result<(), Failure> {
        out.write_all(b"second")?;
        Err(std::io::Error::other("field").into())
    });
    assert!(failed.unwrap_err().to_string().contains("field"));
    let full = write_with(&path, 6, |_| Err(io::Error::from(io::ErrorKind::StorageFull)));
    assert!(full.unwrap_err().to_string().contains("needs 6 bytes"));
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");
    assert!(write(&folder.path().join("none/scores.csv"), "x").unwrap_err().to_string().contains("scores.csv"));
}

#[test]
fn writers_of_one_file_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    let texts: Vec<String> = (0..8).map(|i| i.to_string().repeat(100_000)).collect();
    std::thread::scope(|scope| {
        for text in &texts {
            let path = &path;
            scope.spawn(move || write(path, text).unwrap());
        }
    });
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(texts.contains(&found), "{} bytes of several writers", found.len());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
#[cfg(unix)]
fn a_new_file_has_the_rights_of_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
    write(&ours, "x").unwrap();
    std::fs::write(&plain, "x").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}
