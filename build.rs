//! Sets `QWGPU_COMMIT` to the commit that is compiled, with `-dirty` where the sources differ from it; `unknown`
//! where neither a repository nor a package tells.

use std::path::Path;
use std::process::Command;

/// Everything that the crate is compiled from.
const SOURCES: [&str; 5] = ["Cargo.toml", "Cargo.lock", "build.rs", "shaders", "src"];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let commit = repository().or_else(package).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=QWGPU_COMMIT={commit}");
}

/// Returns the commit of the crate's own repository, not of one that this folder was only copied into.
fn repository() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != Path::new(".").canonicalize().ok()? {
        return None;
    }
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    let branch = git(&["rev-parse", "--symbolic-full-name", "HEAD"])?;
    // A file that does not exist would run this at each build.
    for name in ["HEAD", "logs/HEAD", "packed-refs", &branch] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    // The index stays as it is, for others may hold its lock.
    let status = ["--no-optional-locks", "status", "--porcelain", "--"];
    let changed = git(&[&status[..], &SOURCES].concat())?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// Returns the commit that cargo wrote into the package.
fn package() -> Option<String> {
    let info = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, commit) = info.split_once("\"sha1\": \"")?;
    let dirty = if info.contains("\"dirty\": true") { "-dirty" } else { "" };
    Some(format!("{}{dirty}", commit.get(..10)?))
}

/// Returns what git prints, where it succeeds.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
