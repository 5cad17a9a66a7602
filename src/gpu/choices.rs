//! What tuning chose, kept on disk: a file for each adapter, driver, version of this program, and features in use.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::tune::{KernelChoice, KernelUse};
use super::tuning::Candidate;
use super::{Facts, Gpu, cache_folder};
use crate::atomic_write;
use crate::error::{Error, Result};

/// The choices of one adapter, for any number of models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choices {
    /// All that choices depend on: backend, vendor, device, name, driver, version of this program, features.
    adapter: String,
    kernels: Vec<KernelChoice>,
}

impl Choices {
    /// Reads what is kept for an adapter. A file that is damaged, or of something else, counts as none.
    pub fn read(gpu: &Gpu) -> Choices {
        let Facts { backend, vendor_id, device_id, name, driver, .. } = &gpu.facts;
        let (version, features) = (env!("CARGO_PKG_VERSION"), gpu.usable());
        let adapter = format!("{backend} {vendor_id:x} {device_id:x} {version} {features} {name} {driver}");
        let none = Choices { adapter, kernels: Vec::new() };
        let bytes = none.file().and_then(|file| std::fs::read(file).ok());
        let read = bytes.and_then(|bytes| serde_json::from_slice::<Choices>(&bytes).ok());
        read.filter(|read| read.adapter == none.adapter).unwrap_or(none)
    }

    /// Returns the file; None where the machine has no folder for it.
    pub fn file(&self) -> Option<PathBuf> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = self.adapter.chars().take(200).map(plain).collect();
        Some(cache_folder()?.join("tuning").join(name + ".json"))
    }

    /// Returns the choice for a kernel of a model, if what won is a candidate here.
    pub fn find(&self, gpu: &Gpu, of: &KernelUse) -> Option<(Candidate, KernelChoice)> {
        let kept = self.kernels.iter().find(|c| c.kernel == of.kernel.name && c.shapes == of.names())?;
        let winner = gpu.candidates(of).into_iter().find(|candidate| candidate.to_string() == kept.winner)?;
        Some((winner, kept.clone()))
    }

    /// Puts a choice in the place of the one before, if there is one.
    pub fn put(&mut self, choice: KernelChoice) {
        self.kernels.retain(|kept| (&kept.kernel, &kept.shapes) != (&choice.kernel, &choice.shapes));
        self.kernels.push(choice);
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self) -> Result<()> {
        let none = || Error::request("tuning", "a folder to keep it in", "none", "set HOME or XDG_CACHE_HOME");
        let file = self.file().ok_or_else(none)?;
        let folder = file.parent().expect("a file of the cache folder");
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        atomic_write::write(&file, serde_json::to_vec_pretty(self).expect("numbers and texts are JSON"))
    }
}
