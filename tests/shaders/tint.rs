//! Every variant's WGSL through Tint, the other WGSL compiler (Chrome's), which knows rules that naga
//! does not: uniformity of barriers and subgroup operations, reserved words.
//!
//! It comes with the npm package `webgpu` (Dawn): `npm install --prefix target/tint webgpu@0.6`.
//! `QWGPU_TINT` names another folder that holds `node_modules`. Where either is missing the tests
//! are ignored, with the reason.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial as Test};
use qwgpu::formats;
use qwgpu::gpu::pipeline;
use qwgpu::plan::dispatch::entries;
use qwgpu::plan::{Consts, Needs, Variant};
use serde_json::json;

const COOP: &str = "cooperative matrices are naga's own";

/// Extensions that only naga has, so Tint cannot read their shaders.
static EXCEPTIONS: &[(Needs, &str)] =
    &[(Needs::INT64, "u64 is naga's own"), (Needs::COOP_MATRIX, COOP), (Needs::COOP_MATRIX8, COOP)];

/// Returns a test for each kernel and variant. Tint is not asked for a listing.
pub fn tests(arguments: &Arguments) -> Vec<Test> {
    let variants = || {
        formats::kernels().flat_map(|k| {
            k.variants.iter().flat_map(move |v| {
                v.texts().into_iter().map(move |(width, consts)| (format!("{}/{}{width}", k.name, v.name), v, consts))
            })
        })
    };
    let exception = |v: &Variant| EXCEPTIONS.iter().find(|(need, _)| v.needs.contains(*need));
    let missing = if arguments.list { Err("not run for a listing".to_owned()) } else { package() };
    let verdicts = missing.map(|package| {
        let modules: Vec<_> =
            variants().filter(|(_, v, _)| exception(v).is_none()).map(|(n, v, c)| module(n, v, &c)).collect();
        ask(&package, &json!(modules).to_string())
    });
    if let Err(missing) = &verdicts {
        eprintln!("Tint is skipped: {missing}");
    }
    let tests = variants().map(|(name, variant, _)| {
        let verdict = verdicts.as_ref().ok().and_then(|all| all.get(&name)).cloned();
        let test = Test::test(format!("{name}/tint"), move || match verdict.as_deref() {
            Some("") => Ok(()),
            Some(message) => Err(Failed::from(message)),
            None => Err("Tint gave no verdict".into()),
        });
        match (exception(variant), &verdicts) {
            (Some((_, reason)), _) => test.with_kind(*reason).with_ignored_flag(true),
            (None, Err(_)) => test.with_kind("no Tint").with_ignored_flag(true),
            (None, Ok(_)) => test,
        }
    });
    tests.collect()
}

/// The folder of the npm package, or what is missing.
fn package() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("QWGPU_TINT").map_or_else(|| root.join("target/tint"), PathBuf::from);
    let package = folder.join("node_modules/webgpu");
    if !package.join("index.js").is_file() {
        return Err(format!("no {}; install it with `npm install --prefix target/tint webgpu@0.6`", package.display()));
    }
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
    node.map_err(|e| format!("cannot run node: {e}; install Node.js 20 or newer"))?;
    Ok(package)
}

/// What scripts/tint.mjs reads of a variant. Tint, unlike naga, wants each extension enabled by name.
fn module(name: String, variant: &Variant, consts: &Consts) -> serde_json::Value {
    let text = pipeline::source(variant, consts, None).expect("built-in text");
    let enable = |need, line: &str| {
        if variant.needs.intersects(need) && !text.contains(line) { format!("{line} ") } else { String::new() }
    };
    // On one line, so that Tint's line numbers stay those of the file.
    let enables = enable(Needs::SUBGROUP | Needs::SUBGROUP8, "enable subgroups;") + &enable(Needs::F16, "enable f16;");
    // Some constants choose files and are none of the shader's.
    let constants: HashMap<_, _> =
        consts.iter().filter(|(name, _)| text.contains(&format!("override {name}:"))).collect();
    let entries = entries(consts);
    json!({ "name": name, "wgsl": enables + &text, "constants": constants, "entries": entries })
}

/// Tint's message for every module, empty where it has nothing to say against it.
fn ask(package: &Path, modules: &str) -> HashMap<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/tint.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .arg(package.join("index.js"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node ran before");
    node.stdin.take().expect("piped").write_all(modules.as_bytes()).expect("node reads its input");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "scripts/tint.mjs failed");
    serde_json::from_slice(&output.stdout).expect("scripts/tint.mjs prints JSON")
}
