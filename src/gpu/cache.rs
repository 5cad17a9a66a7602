//! Compiled pipelines kept between runs, where the driver lets us (Vulkan). Mesa and Metal also keep
//! their own.

use std::path::PathBuf;

use crate::atomic_write;

/// A driver's pipeline cache and its file; written back when dropped.
pub struct Cache {
    pub pipelines: wgpu::PipelineCache,
    file: PathBuf,
    before: usize,
}

impl Cache {
    /// None if this backend has no cache or the machine no folder for it: it only saves time.
    pub fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo) -> Option<Cache> {
        let file = folder()?.join(wgpu::util::pipeline_cache_key(info)?);
        let data = std::fs::read(&file).ok();
        let before = data.as_ref().map_or(0, Vec::len);
        // SAFETY: the data is what `get_data` gave; wgpu checks its header against this device and
        // starts empty if it does not fit.
        let pipelines = unsafe {
            device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
                label: None,
                data: data.as_deref(),
                fallback: true,
            })
        };
        Some(Cache { pipelines, file, before })
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let Some(data) = self.pipelines.get_data() else { return };
        if data.len() <= self.before {
            return;
        }
        // A cache that cannot be kept costs the next start some compiling, nothing else.
        if self.file.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok()) {
            let _ = atomic_write::write(&self.file, data);
        }
    }
}

/// Returns the folder of this user's caches.
pub fn folder() -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = from("XDG_CACHE_HOME")
        .or_else(|| from("LOCALAPPDATA"))
        .or_else(|| from("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("qwgpu"))
}
