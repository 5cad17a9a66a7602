//! Kernels against the CPU reference.

use serde::{Deserialize, Serialize};

use crate::gpu::Gpu;
use crate::plan::{Kernel, trial};

/// Comparison of a kernel's chosen variant with the reference, on all small cases.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KernelCheck {
    pub kernel: String,
    pub variant: String,
    pub cases: usize,
    /// Largest normalized mean square error.
    pub nmse: f64,
    /// Tolerance of the variant.
    pub allowed: f64,
    /// One message for each case at fault.
    pub faults: Vec<String>,
}

impl KernelCheck {
    /// Runs the small cases of a kernel on an adapter. An error of the device is a fault and ends them: a device that fails
    /// once may fail at everything after.
    pub fn new(kernel: &'static Kernel, gpu: &mut Gpu) -> KernelCheck {
        let variant = gpu.variant(kernel).0;
        let (name, allowed) = (variant.name.into(), variant.nmse);
        let mut check =
            KernelCheck { kernel: kernel.name.into(), variant: name, cases: 0, nmse: 0.0, allowed, faults: Vec::new() };
        for case in kernel.cases.iter().filter(|case| !case.bench) {
            check.cases += 1;
            let found = trial::check(kernel, case, gpu);
            let failed = found.is_err();
            let (nmse, fault) = found.map_or_else(|e| (0.0, Some(e.to_string())), |found| (found.nmse, found.fault));
            // JSON has no infinity; a fault says what it was.
            check.nmse = check.nmse.max(if nmse.is_finite() { nmse } else { 0.0 });
            check.faults.extend(fault.map(|fault| format!("{}: {fault}", case.name)));
            if failed {
                break;
            }
        }
        check
    }
}
