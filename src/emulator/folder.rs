//! Folders of edited shaders: which built-in files they replace.

use std::path::Path;

use crate::error::{Error, Result};
use crate::formats;
use crate::gpu::pipeline;
use crate::plan::{Consts, Variant};

/// Returns the .wgsl files of `folder` that replace files of these variants, by their paths without the ending.
///
/// # Errors
/// The folder holds no .wgsl file, one that has no built-in shader's name, or none of these variants.
pub fn replaced(folder: &Path, variants: &[&'static Variant]) -> Result<Vec<String>> {
    let files = |folder: &Path| -> Vec<String> {
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter_map(|name| name.strip_suffix(".wgsl").map(str::to_owned)).collect()
    };
    let lib = files(&folder.join("lib")).into_iter().map(|stem| format!("lib/{stem}"));
    let mut found: Vec<String> = files(folder).into_iter().chain(lib).collect();
    found.sort();
    let refuse = |expected: &str, found: String| {
        Err(Error::request("`shaders`", expected, found, "name the files as in the folder shaders of qwgpu"))
    };
    let in_variant = |stem: &String, variant: &Variant| variant.wgsl.iter().any(|file| file.stem == stem);
    let built_in = |stem: &String| formats::kernels().flat_map(|k| k.variants).any(|v| in_variant(stem, v));
    if found.is_empty() {
        return refuse("a folder with .wgsl files", format!("none in {}", folder.display()));
    }
    if let Some(stem) = found.iter().find(|stem| !built_in(stem)) {
        return refuse("names of built-in shaders", format!("{stem}.wgsl"));
    }
    let (used, unused): (Vec<String>, _) = found.into_iter().partition(|s| variants.iter().any(|v| in_variant(s, v)));
    if used.is_empty() {
        return refuse(
            "a shader file of the kernels and variants that run",
            format!("{}.wgsl", unused.join(".wgsl, ")),
        );
    }
    Ok(used)
}

/// Returns the shader file and the line in it of a line of the variant's whole text.
///
/// # Errors
/// A file of the folder cannot be read.
pub(super) fn place(variant: &Variant, consts: &Consts, line: u32, folder: Option<&Path>) -> Result<(String, u32)> {
    let mut rest = line;
    for file in pipeline::files(variant, consts, folder)? {
        let lines = file.text.matches('\n').count() as u32 + 1;
        if rest <= lines {
            return Ok((format!("{}.wgsl", file.stem), rest.max(1)));
        }
        rest -= lines;
    }
    Ok((format!("{}.wgsl", variant.wgsl[0].stem), line))
}
