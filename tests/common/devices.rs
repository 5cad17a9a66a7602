//! The devices of this machine.

use qwgpu::generate::Device;
use qwgpu::gpu::{self, Options};
use qwgpu::plan::Path;

/// Returns the CPU, then the fast and the portable path of each adapter.
pub fn devices() -> Vec<Device> {
    let mut devices = vec![Device::Cpu];
    for adapter in gpu::adapters() {
        for path in [Path::Fast, Path::Portable] {
            let options = Options { path, ..Options::default() };
            devices.push(Device::Gpu { wanted: Some(adapter.facts.index.to_string()), require_gpu: false, options });
        }
    }
    devices
}
