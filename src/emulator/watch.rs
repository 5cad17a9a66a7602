//! Hot reload: what an edit of a kernel's shaders changes, each time their files change.

use std::path::PathBuf;

use super::compare::ProfileChange;
use super::lab::{Selection, ShaderProfile, profile, sanitize};
use crate::error::{Error, Result};
use crate::gpu::{self, Gpu};
use crate::plan::{Backend, Case, Kernel, Trial, Variant, trial};
use crate::progress::Progress;

/// Samples of the time on an adapter, of which the least counts, and seconds that one takes at least.
const SAMPLES: usize = 5;
const SAMPLE_SECONDS: f64 = 0.02;

/// Texts of the files that are watched; None where one is not there.
type Texts = Vec<Option<String>>;

/// Watch over a folder of shaders.
pub struct ShaderWatch {
    selection: Selection,
    folder: PathBuf,
    stems: Vec<&'static str>,
    /// Variants that are timed.
    variants: Vec<(&'static Kernel, &'static Variant)>,
    /// Texts that were looked at, and those that the last call of [`ShaderWatch::poll`] found.
    seen: Option<Texts>,
    found: Option<Texts>,
    edits: usize,
    /// Name and counters of the last version without a fault.
    good: (String, Vec<ShaderProfile>),
}

impl ShaderWatch {
    /// Watches the files of `folder` that the selected kernels run. The built-in shaders are the first good version.
    ///
    /// # Errors
    /// Nothing is selected; the folder replaces none of its shaders.
    pub fn new(selection: Selection, folder: PathBuf, progress: &mut dyn Progress) -> Result<ShaderWatch> {
        let built_in = Selection { shaders: None, ..selection.clone() };
        let selection = Selection { shaders: Some(folder.clone()), ..selection };
        let variants = selection.variants()?;
        super::replaced(&folder, &variants.iter().map(|(_, variant)| *variant).collect::<Vec<_>>())?;
        let mut stems: Vec<&str> = variants.iter().flat_map(|(_, v)| v.wgsl).map(|file| file.stem).collect();
        stems.sort_unstable();
        stems.dedup();
        let good = ("the built-in version".to_owned(), profile(&built_in, progress)?);
        Ok(ShaderWatch { selection, folder, stems, variants, seen: None, found: None, edits: 0, good })
    }

    /// Looks at the files. Where they changed, and are the same as at the last call, since an editor may still be
    /// writing, compiles, checks, counts and times them. Returns what came of it.
    ///
    /// # Errors
    /// What `progress` returns.
    pub fn poll(&mut self, progress: &mut dyn Progress) -> Result<Option<String>> {
        let path = |stem: &&str| self.folder.join(format!("{stem}.wgsl"));
        let now = Some(self.stems.iter().map(|stem| std::fs::read_to_string(path(stem)).ok()).collect());
        let rests = now == self.found;
        self.found = now;
        if !rests || self.found == self.seen {
            return Ok(None);
        }
        self.seen.clone_from(&self.found);
        self.edits += 1;
        let name = format!("edit {}", self.edits);
        match self.look(progress) {
            Ok((profiles, text)) => {
                let (before, good) = std::mem::replace(&mut self.good, (name.clone(), profiles));
                let changes: String =
                    ProfileChange::pairs(good, self.good.1.clone()).iter().map(ToString::to_string).collect();
                Ok(Some(format!("{name}: good; before is {before}\n{changes}{text}")))
            }
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(error) => Ok(Some(format!("{name}: {error}\n{} stays the last good one\n", self.good.0))),
        }
    }

    /// Returns the counters of the version that is there now, and a line for each time on the adapter.
    fn look(&self, progress: &mut dyn Progress) -> Result<(Vec<ShaderProfile>, String)> {
        let faults = sanitize(&self.selection, progress)?;
        if let Some(first) = faults.first() {
            let message = faults.iter().map(|fault| format!("\n{fault}")).collect();
            return Err(Error::Shader { kernel: first.kernel.into(), variant: first.variant.into(), message });
        }
        let profiles = profile(&self.selection, progress)?;
        let adapters = gpu::adapters();
        if adapters.is_empty() {
            return Ok((profiles, "no adapter here: not timed\n".into()));
        }
        let options = gpu::Options { shaders: Some(self.folder.clone()), ..gpu::Options::default() };
        let mut gpu = Gpu::open(gpu::select(adapters, None, false)?, options)?;
        let mut text = String::new();
        for &(kernel, variant) in &self.variants {
            progress.at(kernel.name, 0, 1)?;
            let case = kernel.cases.iter().find(|case| case.bench && gpu.can_run(variant));
            let Some(case) = case else { continue };
            let micros = seconds(&mut gpu, kernel, variant, case)? * 1e6;
            let place = format!("{}/{}/{}", kernel.name, variant.name, case.name);
            text += &format!("{place} takes {micros:.1} us on {}\n", gpu.facts.name);
        }
        Ok((profiles, text))
    }
}

/// Returns the seconds of one run of a case on an adapter: the least of some samples.
fn seconds(gpu: &mut Gpu, kernel: &'static Kernel, variant: &'static Variant, case: &Case) -> Result<f64> {
    gpu.force(kernel, variant);
    let kept = gpu.residents();
    let (trial, _) = Trial::new(case);
    let plan = trial::place(&trial, 1, gpu)?;
    let program = gpu.prepare(&plan, false)?;
    let one = gpu.time(program, 1)?.max(1e-9);
    let runs = (SAMPLE_SECONDS / one).clamp(1.0, 1000.0) as usize;
    let mut least = f64::INFINITY;
    for _ in 0..SAMPLES {
        least = least.min(gpu.time(program, runs)? / runs as f64);
    }
    gpu.release(program);
    gpu.keep_residents(kept);
    Ok(least)
}
