//! The house: who may import whom, every shader and kernel file is in the list, tables in docs are those of the results.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use qwgpu::bench::results::Results;
use qwgpu::bench::tables;
use qwgpu::formats;
use qwgpu::plan::Needs;

/// A module of the crate and the modules it may import. Each row names only rows above it, so that
/// there is no circle. `cli`, `lib` and `main` import what they like.
static LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("date", &[]),
    ("digest", &[]),
    ("units", &[]),
    ("progress", &["error"]),
    ("atomic_write", &["error"]),
    ("lock", &["error"]),
    ("checkpoint", &["atomic_write", "lock", "error"]),
    ("text", &["checkpoint", "date", "digest", "error"]),
    ("plan", &["error"]),
    ("gpu", &["atomic_write", "plan", "error"]),
    ("kernels", &["plan"]),
    ("formats", &["plan", "kernels", "checkpoint", "error"]),
    ("emulator", &["gpu", "formats", "plan", "progress", "error"]),
    ("model", &["plan", "kernels", "formats", "checkpoint", "progress", "error"]),
    ("doctor", &["gpu", "model", "formats", "plan", "progress", "units", "error"]),
    (
        "generate",
        &[
            "doctor",
            "units",
            "emulator",
            "gpu",
            "model",
            "plan",
            "kernels",
            "formats",
            "text",
            "checkpoint",
            "progress",
            "error",
        ],
    ),
    (
        "quantize",
        &[
            "atomic_write",
            "digest",
            "units",
            "generate",
            "gpu",
            "model",
            "formats",
            "plan",
            "kernels",
            "text",
            "checkpoint",
            "progress",
            "error",
        ],
    ),
    ("session", &["generate", "quantize", "formats", "checkpoint", "progress", "error"]),
    ("metrics", &["error"]),
    ("report", &["formats", "atomic_write", "metrics", "error"]),
    ("tasks", &["metrics", "error"]),
    (
        "eval",
        &[
            "date",
            "digest",
            "atomic_write",
            "lock",
            "generate",
            "quantize",
            "tasks",
            "metrics",
            "text",
            "checkpoint",
            "progress",
            "error",
        ],
    ),
    (
        "bench",
        &["doctor", "metrics", "atomic_write", "generate", "gpu", "model", "formats", "plan", "progress", "error"],
    ),
    (
        "lab",
        &[
            "emulator",
            "gpu",
            "model",
            "generate",
            "kernels",
            "formats",
            "plan",
            "checkpoint",
            "bench",
            "progress",
            "error",
        ],
    ),
    (
        "study",
        &[
            "report",
            "bench",
            "session",
            "eval",
            "quantize",
            "formats",
            "generate",
            "model",
            "checkpoint",
            "tasks",
            "metrics",
            "atomic_write",
            "date",
            "digest",
            "lock",
            "units",
            "progress",
            "error",
        ],
    ),
];

/// What the crate's root exports, and the module it comes from.
static ROOT: &[(&str, &str)] = &[("Error", "error"), ("Result", "error"), ("params", "plan"), ("wgsl", "plan")];

const LONGEST: usize = 400;

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// Every file below `folder` with this ending: its path from there without the ending, and its text.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&root(folder), &mut found);
    found.sort();
    let named = found.iter().filter(|path| path.extension().is_some_and(|e| e == ending)).map(|path| {
        let stem = path.strip_prefix(root(folder)).unwrap().with_extension("");
        let parts: Vec<_> = stem.iter().map(|part| part.to_str().unwrap()).collect();
        (parts.join("/"), std::fs::read_to_string(path).unwrap())
    });
    named.collect()
}

#[test]
fn modules_import_only_what_their_row_names() {
    for (row, &(module, imports)) in LAYERS.iter().enumerate() {
        for import in imports {
            assert!(LAYERS[..row].iter().any(|(above, _)| above == import), "{module}: {import} stands below it");
        }
    }
    let mut wrong = Vec::new();
    for (file, text) in files("src", "rs") {
        if file.ends_with("/tests") {
            continue;
        }
        let module = file.split('/').next().unwrap();
        if ["cli", "lib", "main"].contains(&module) {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("src/{file}.rs: no row for {module}"));
            continue;
        };
        for import in imports(&file, &text) {
            if import != module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("src/{file}.rs: {module} may not import {import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The modules of the crate that a file names by `crate::` or by `super::` up to the root. Tests in
/// the file may use what they like.
fn imports(file: &str, text: &str) -> BTreeSet<String> {
    let depth = file.trim_end_matches("/mod").split('/').count();
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let code: String = code.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect();
    let up = "super::".repeat(depth);
    let mut found = BTreeSet::new();
    for from_root in ["crate::", &up] {
        for (at, _) in code.match_indices(from_root) {
            // A macro's own `$crate` and a longer chain of `super` are read where they start.
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || ":_$".contains(c)) {
                continue;
            }
            found.extend(heads(&code[at + from_root.len()..]).into_iter().map(|head| {
                let exported = ROOT.iter().find(|(name, _)| *name == head);
                exported.map_or(head, |(_, module)| module).to_owned()
            }));
        }
    }
    found
}

/// The first name of a path, or of every path in `{a::b, c::{d, e}}`.
fn heads(path: &str) -> Vec<&str> {
    let first = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(group) = path.strip_prefix('{') else { return vec![&path[..first(path)]] };
    let (mut heads, mut open, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open > 0 => open -= 1,
            ',' | '}' if open == 0 => {
                let item = group[start..at].trim_start();
                heads.push(&item[..first(item)]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => (),
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

/// The files of a module that another of its files names by `super::`, through what its `mod.rs` exports.
fn siblings(text: &str, exports: &[(String, String)], files: &BTreeSet<String>) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let code: String = code.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || ":_(".contains(c)) {
            continue;
        }
        for head in heads(&code[at + "super::".len()..]) {
            let exported = exports.iter().find(|(name, _)| name == head).map(|(_, file)| file.as_str());
            let file = exported.unwrap_or(head);
            found.insert(if files.contains(file) { file.to_owned() } else { "mod".to_owned() });
        }
    }
    found
}

#[test]
fn files_of_a_module_import_each_other_in_no_circle() {
    for module in ["cli", "eval", "quantize", "study"] {
        let files = files(&format!("src/{module}"), "rs");
        let names: BTreeSet<String> = files.iter().map(|(name, _)| name.clone()).collect();
        let root = &files.iter().find(|(name, _)| name == "mod").unwrap().1;
        let exports: Vec<(String, String)> = root
            .match_indices("pub use ")
            .filter_map(|(at, _)| root[at + "pub use ".len()..].split_once("::"))
            .flat_map(|(file, rest)| heads(rest).into_iter().map(|name| (name.to_owned(), file.to_owned())))
            .collect();
        // A module's own file comes last: it may name all others.
        let mut left: Vec<(&String, BTreeSet<String>)> =
            files.iter().filter(|(name, _)| name != "mod").map(|(n, t)| (n, siblings(t, &exports, &names))).collect();
        while !left.is_empty() {
            let waiting: BTreeSet<String> =
                left.iter().map(|(name, _)| (*name).clone()).chain(["mod".into()]).collect();
            let before = left.len();
            left.retain(|(_, imports)| !imports.is_disjoint(&waiting));
            assert!(left.len() < before, "{module}: a circle among {left:?}");
        }
    }
}

#[test]
fn imports_are_found() {
    let found = |file, text: &str| imports(file, text).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(
        found("gpu/run", "use crate::{\n    Error,\n    plan::{Plan, cpu::Cpu},\n    text,\n};"),
        "error plan text"
    );
    assert_eq!(found("gpu/run", "use super::Gpu; fn f(x: super::super::model::Qwen)"), "model");
    assert_eq!(found("gpu/mod", "// crate::text\nuse super::model;"), "model");
    assert_eq!(found("error", "$crate::plan; #[cfg(test)]\nmod tests { use crate::gpu; }"), "");
}

/// Returns the names that a kernel may have by its file and its static. `kernels/rope`, KERNEL is rope;
/// `formats/grid/matvec`, KERNEL is matvec_grid, or grid_matvec where only that format has such a kernel. Another static
/// stands for the file's name: `formats/spqr/fit_kernel`, FIT is fit_spqr.
fn kernel_names(file: &str, name: &str) -> Vec<String> {
    let own = (name != "KERNEL").then(|| name.to_lowercase());
    let named = |file: &str| own.clone().unwrap_or(file.to_owned());
    match file.split('/').collect::<Vec<_>>()[..] {
        ["kernels", name] => vec![named(name)],
        ["formats", format, file] => {
            let name = named(file);
            vec![format!("{name}_{format}"), format!("{format}_{name}")]
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_shader_file_is_used_and_every_kernel_is_listed() {
    let mut used = BTreeSet::new();
    let mut names = BTreeSet::new();
    for kernel in formats::kernels() {
        let name = kernel.name;
        assert!(names.insert(name.to_owned()), "two kernels named {name}");
        for variant in kernel.variants {
            let stems = variant.wgsl.iter().map(|file| file.stem);
            used.extend(stems.clone().map(str::to_owned));
            let own: Vec<_> = stems.filter(|stem| !stem.starts_with("lib/")).collect();
            let named = own.iter().all(|stem| *stem == name || stem.starts_with(&format!("{name}_")));
            let shader = format!("{name}/{}: a shader outside lib/ must be {name} or {name}_...", variant.name);
            assert!(own.len() <= 1 && named, "{shader}, not {own:?}");
        }
        assert!(kernel.variants.iter().any(|v| v.needs == Needs::empty()), "{name}: no variant that needs nothing");
    }
    let shaders: BTreeSet<String> = files("shaders", "wgsl").into_iter().map(|(stem, _)| stem).collect();
    let unused: Vec<_> = shaders.difference(&used).collect();
    assert!(unused.is_empty(), "no variant uses {unused:?}");
    let missing: Vec<_> = used.difference(&shaders).collect();
    assert!(missing.is_empty(), "no file in shaders for {missing:?}");
    for (file, text) in files("src", "rs") {
        let statics = text.split("\npub static ").skip(1).filter_map(|rest| rest.split_once(": Kernel ="));
        for (name, _) in statics.filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')) {
            let known = kernel_names(&file, name);
            let listed = known.iter().any(|name| names.remove(name));
            assert!(listed, "src/{file}.rs defines a kernel, and none named {known:?} is in formats::kernels()");
        }
    }
    assert!(names.is_empty(), "kernels without a file in src/kernels or src/formats/FORMAT: {names:?}");
}

#[test]
fn the_tolerances_of_numerics_are_those_of_the_kernels() {
    let text = std::fs::read_to_string(root("docs/NUMERICS.md")).unwrap();
    let mut rows = Vec::new();
    for line in text.lines().skip_while(|line| !line.starts_with("| kernel |")).skip(2) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, kernels, variants, nmse, why, _] = cells[..] else { break };
        assert!(!why.is_empty(), "no reason: {line}");
        let nmse = if nmse == "equal" { 0.0 } else { nmse.parse::<f64>().expect(line) };
        rows.push((kernels.split(", ").collect::<BTreeSet<_>>(), variants, nmse));
    }
    let holds = |cell: &str, variant: &str| match cell.strip_prefix("all") {
        Some("") => variant != "host",
        Some(rest) => variant != "host" && !rest.trim_start_matches(" but ").split(", ").any(|name| name == variant),
        None => cell.split(", ").any(|name| name == variant),
    };
    for kernel in formats::kernels() {
        let shaders = kernel.variants.iter().map(|variant| (variant.name, variant.nmse));
        for (variant, nmse) in shaders.chain(kernel.host.iter().map(|host| ("host", host.nmse))) {
            let found: Vec<f64> = rows
                .iter()
                .filter(|row| row.0.contains(kernel.name) && holds(row.1, variant))
                .map(|row| row.2)
                .collect();
            assert_eq!(found, [nmse], "docs/NUMERICS.md, rows of {} {variant}", kernel.name);
        }
    }
    let names: BTreeSet<&str> = formats::kernels().map(|kernel| kernel.name).collect();
    let unknown: Vec<_> = rows.iter().flat_map(|row| row.0.difference(&names)).collect();
    assert!(unknown.is_empty(), "docs/NUMERICS.md names no kernels: {unknown:?}");
}

#[test]
fn no_file_is_longer_than_a_reader_likes() {
    let all = [files("src", "rs"), files("shaders", "wgsl")].concat();
    let long: Vec<_> = all.iter().map(|(file, text)| (file, text.lines().count())).filter(|f| f.1 > LONGEST).collect();
    assert!(long.is_empty(), "above {LONGEST} lines: {long:?}");
}

#[test]
fn the_tables_of_performance_are_those_of_the_results() {
    let file = root("docs/PERFORMANCE.md");
    let found = std::fs::read_to_string(&file).unwrap();
    let results = Results::read_all(&root("benches/results")).unwrap();
    let expected = tables::fill(&found, &file, &results).unwrap();
    assert!(found == expected, "run `qwgpu bench table` and commit docs/PERFORMANCE.md");
}
