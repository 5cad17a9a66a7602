//! Why Vulkan shows no GPU on a Linux system, and how to mend it.

use super::system::{System, Vendor};
use super::{Finding, Level};
use crate::gpu::{Class, Facts};

/// Returns what the Vulkan loader, the drivers and the permissions show. Where an adapter is a GPU, that is one finding.
pub fn drivers(system: &System, adapters: &[Facts], has_loader: bool) -> Vec<Finding> {
    let installed = if system.drivers.is_empty() { "none".to_owned() } else { system.drivers.join(", ") };
    if adapters.iter().any(|facts| facts.class != Class::Software) {
        return vec![Finding::ok("driver", format!("Vulkan drivers: {installed}"))];
    }
    // A software adapter runs models, if slowly.
    let level = if adapters.is_empty() { Level::Stop } else { Level::Slow };
    let mut findings = Vec::new();
    let mut find = |check, message: &str, fix: &str| findings.push(Finding::new(level, check, message, fix));
    if !has_loader {
        find("loader", "the Vulkan loader, libvulkan.so.1, is missing", system.packages.loader);
    }
    for &card in system.cards.iter().filter(|card| !system.has_driver(**card)) {
        let fix = match card {
            Vendor::Nvidia if system.container && system.nvidia_device => {
                "start the container with --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all: the default leaves Vulkan out"
            }
            _ => system.packages.driver(card),
        };
        find("driver", &format!("no Vulkan driver for the {card:?} graphics card is installed"), fix);
    }
    if system.drivers.is_empty() && system.cards.is_empty() {
        find("driver", "no Vulkan driver is installed", system.packages.software);
    }
    if system.wsl {
        let fix = "run the Windows build of qwgpu, or install a Mesa with the dzn driver";
        find("wsl", "under WSL, Vulkan reaches the GPU only by Mesa's dzn driver", fix);
    }
    // NVIDIA's own driver needs no render node.
    if system.nodes.is_empty() && system.cards.iter().any(|card| *card != Vendor::Nvidia) {
        if system.container {
            let fix = "start the container with --device /dev/dri";
            find("dri", "this container has no /dev/dri, where drivers find the GPU", fix);
        } else {
            let fix = "load the kernel's driver (amdgpu, i915 or xe); `dmesg` says why it did not start";
            find("dri", "no render node in /dev/dri: the kernel's graphics driver is not loaded", fix);
        }
    } else if let Some(node) = system.nodes.first().filter(|_| system.nodes.iter().all(|node| !node.usable)) {
        let fix = format!("sudo usermod -aG {} $USER, then log in again", node.group);
        find("dri", &format!("{} cannot be opened by this user", node.path.display()), &fix);
    }
    if findings.is_empty() {
        findings.push(if system.cards.is_empty() {
            let message = "no NVIDIA, AMD or Intel graphics card on the PCI bus";
            Finding::new(level, "gpu", message, "in a virtual machine, pass a GPU through")
        } else {
            let fix = "update the driver; `vulkaninfo --summary` (vulkan-tools) says more";
            Finding::new(level, "gpu", format!("the installed drivers ({installed}) show no GPU"), fix)
        });
    }
    findings
}
