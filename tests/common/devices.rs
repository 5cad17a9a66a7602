//! The devices that tests run on.

use qwgpu::generate::{Compute, DeviceChoice};
use qwgpu::gpu;

/// Returns the CPU, then every adapter with its fastest and with portable shaders.
pub fn devices() -> Vec<DeviceChoice> {
    let mut devices = vec![DeviceChoice::cpu()];
    for adapter in gpu::adapters() {
        for path in [Compute::Fast, Compute::Portable] {
            let device = Some(adapter.facts.index.to_string());
            devices.push(DeviceChoice { path, device, ..DeviceChoice::default() });
        }
    }
    devices
}
