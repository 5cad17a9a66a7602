//! Why a Linux machine shows no GPU, and the remedy by distribution.

use serde::Serialize;

use super::machine::{Family, Machine, Vendor};
use crate::gpu::{Class, Facts};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// It runs, but could be faster.
    Slow,
    /// No model runs.
    Stop,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Slow => "slow",
            Level::Stop => "stop",
        }
    }
}

/// One thing that `qwgpu doctor` has looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub level: Level,
    /// A stable name for scripts.
    pub check: &'static str,
    /// The adapter's index, if it concerns one.
    pub adapter: Option<usize>,
    pub message: String,
    pub fix: Option<String>,
}

impl Finding {
    fn new(level: Level, check: &'static str, message: String, fix: Option<String>) -> Finding {
        Finding { level, check, adapter: None, message, fix }
    }

    pub fn ok(check: &'static str, message: String) -> Finding {
        Finding::new(Level::Ok, check, message, None)
    }

    pub fn slow(check: &'static str, message: String, fix: impl Into<String>) -> Finding {
        Finding::new(Level::Slow, check, message, Some(fix.into()))
    }

    pub fn stop(check: &'static str, message: String, fix: impl Into<String>) -> Finding {
        Finding::new(Level::Stop, check, message, Some(fix.into()))
    }
}

/// What the Vulkan loader, the drivers and the permissions say, where no GPU shows.
pub fn drivers(machine: &Machine, adapters: &[Facts], loader: bool) -> Vec<Finding> {
    if adapters.iter().any(|facts| facts.class != Class::Software) {
        return vec![Finding::ok("driver", format!("Vulkan drivers: {}", list(&machine.drivers)))];
    }
    // A software adapter runs models, if slowly.
    let level = if adapters.is_empty() { Level::Stop } else { Level::Slow };
    let mut findings = Vec::new();
    let mut say = |check, message: String, fix: String| {
        findings.push(Finding::new(level, check, message, Some(fix)));
    };
    let family = machine.family;
    if !loader {
        say("loader", "the Vulkan loader, libvulkan.so.1, is missing".into(), install(family, Package::Loader));
    }
    for &card in &machine.cards {
        if card == Vendor::Other || machine.has_driver(card) {
            continue;
        }
        let message = format!("{} card, but no Vulkan driver for it is installed", maker(card));
        if card == Vendor::Nvidia && machine.container && machine.nvidia_device {
            let fix =
                "start the container with --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all: the default leaves Vulkan out";
            say("driver", message, fix.into());
        } else {
            say("driver", message, install(family, Package::Driver(card)));
        }
    }
    if machine.drivers.is_empty() && machine.cards.iter().all(|card| *card == Vendor::Other) {
        let message = "no Vulkan driver is installed".to_owned();
        say("driver", message, install(family, Package::Software));
    }
    if machine.wsl {
        let fix = "run the Windows build of qwgpu, or install a Mesa with the dzn driver";
        say("wsl", "under WSL, Vulkan reaches the GPU only by Mesa's dzn driver".into(), fix.into());
    }
    // NVIDIA's own driver goes without render nodes.
    let needs_nodes = machine.cards.iter().any(|card| matches!(card, Vendor::Amd | Vendor::Intel));
    if needs_nodes && machine.nodes.is_empty() {
        if machine.container {
            let fix = "start the container with --device /dev/dri";
            say("dri", "this container has no /dev/dri, where drivers find the GPU".into(), fix.into());
        } else {
            let fix = "load the kernel's driver (amdgpu, i915 or xe); `dmesg` says why it did not start";
            say("dri", "no render node in /dev/dri: the kernel's graphics driver is not loaded".into(), fix.into());
        }
    } else if let Some(node) = machine.nodes.first().filter(|_| machine.nodes.iter().all(|n| !n.usable)) {
        let message = format!("{} cannot be opened by this user", node.path.display());
        say("dri", message, format!("sudo usermod -aG {} $USER, then log in again", node.group));
    }
    if findings.is_empty() {
        let message = match machine.cards.is_empty() {
            true => "no graphics card on the PCI bus".to_owned(),
            false => format!("the installed drivers ({}) show no GPU", list(&machine.drivers)),
        };
        let fix = match machine.cards.is_empty() {
            true => "in a virtual machine, pass a GPU through",
            false => "update the driver; `vulkaninfo --summary` (vulkan-tools) says more",
        };
        findings.push(Finding::new(level, "gpu", message, Some(fix.into())));
    }
    findings
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn maker(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Nvidia => "an NVIDIA",
        Vendor::Amd => "an AMD",
        Vendor::Intel => "an Intel",
        Vendor::Other => "a graphics",
    }
}

enum Package {
    Loader,
    Driver(Vendor),
    Software,
}

/// The command that installs something.
fn install(family: Family, package: Package) -> String {
    use Vendor::{Amd, Intel, Nvidia};
    let nvidia = matches!(package, Package::Driver(Nvidia));
    let (command, name) = match family {
        Family::Debian if nvidia => {
            return "sudo ubuntu-drivers install (Ubuntu), or sudo apt install nvidia-driver (Debian, non-free)".into();
        }
        Family::Debian => match package {
            Package::Loader => ("sudo apt install", "libvulkan1 mesa-vulkan-drivers"),
            _ => ("sudo apt install", "mesa-vulkan-drivers"),
        },
        Family::Fedora if nvidia => return "sudo dnf install akmod-nvidia (from RPM Fusion)".into(),
        Family::Fedora => match package {
            Package::Loader => ("sudo dnf install", "vulkan-loader mesa-vulkan-drivers"),
            _ => ("sudo dnf install", "mesa-vulkan-drivers"),
        },
        Family::Arch => match package {
            Package::Loader => ("sudo pacman -S", "vulkan-icd-loader"),
            Package::Driver(Nvidia) => ("sudo pacman -S", "nvidia-utils"),
            Package::Driver(Amd) => ("sudo pacman -S", "vulkan-radeon"),
            Package::Driver(Intel) => ("sudo pacman -S", "vulkan-intel"),
            _ => ("sudo pacman -S", "vulkan-swrast"),
        },
        Family::Suse if nvidia => return "add NVIDIA's repository and install its G06 driver".into(),
        Family::Suse => match package {
            Package::Loader => ("sudo zypper install", "libvulkan1"),
            Package::Driver(Amd) => ("sudo zypper install", "libvulkan_radeon"),
            Package::Driver(Intel) => ("sudo zypper install", "libvulkan_intel"),
            _ => ("sudo zypper install", "libvulkan_lvp"),
        },
        Family::Alpine if nvidia => return "NVIDIA has no driver for musl; use another distribution".into(),
        Family::Alpine => match package {
            Package::Loader => ("sudo apk add", "vulkan-loader"),
            Package::Driver(Amd) => ("sudo apk add", "mesa-vulkan-ati"),
            Package::Driver(Intel) => ("sudo apk add", "mesa-vulkan-intel"),
            _ => ("sudo apk add", "mesa-vulkan-swrast"),
        },
        Family::Nix if nvidia => return "services.xserver.videoDrivers = [ \"nvidia\" ]; in configuration.nix".into(),
        Family::Nix => return "hardware.graphics.enable = true; in configuration.nix".into(),
        Family::Other if nvidia => return "install NVIDIA's driver by your distribution's packages".into(),
        Family::Other => {
            return "install the Vulkan loader and Mesa's Vulkan drivers by your distribution's packages".into();
        }
    };
    format!("{command} {name}")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::machine::Node;
    use super::*;

    /// The only finding for a machine without any adapter.
    fn only(machine: Machine, loader: bool) -> (Level, &'static str, String) {
        let mut found = drivers(&machine, &[], loader);
        assert_eq!(found.len(), 1, "{found:?}");
        let found = found.remove(0);
        (found.level, found.check, found.fix.unwrap_or_default())
    }

    fn machine(family: Family, cards: &[Vendor], drivers: &[&str]) -> Machine {
        let drivers = drivers.iter().map(|d| (*d).to_owned()).collect();
        Machine { family, cards: cards.to_vec(), drivers, ..Machine::default() }
    }

    #[test]
    fn each_cause_has_its_remedy() {
        let node = |usable| Node { path: PathBuf::from("/dev/dri/renderD128"), usable, group: "video".into() };
        let amd = machine(Family::Arch, &[Vendor::Amd], &["radeon_icd.json"]);
        let nvidia = machine(Family::Fedora, &[Vendor::Nvidia], &["lvp_icd.json"]);
        let bare = machine(Family::Alpine, &[], &[]);
        for (machine, loader, check, fix) in [
            (bare.clone(), true, "driver", "apk add mesa-vulkan-swrast"),
            (machine(Family::Debian, &[], &["lvp_icd.json"]), false, "loader", "apt install libvulkan1"),
            (nvidia.clone(), true, "driver", "dnf install akmod-nvidia"),
            (Machine { container: true, nvidia_device: true, ..nvidia }, true, "driver", "NVIDIA_DRIVER_CAPABILITIES"),
            (amd.clone(), true, "dri", "amdgpu"),
            (Machine { container: true, ..amd.clone() }, true, "dri", "--device /dev/dri"),
            (Machine { nodes: vec![node(false)], ..amd.clone() }, true, "dri", "usermod -aG video"),
            (Machine { nodes: vec![node(true)], ..amd }, true, "gpu", "vulkaninfo"),
            (Machine { wsl: true, ..machine(Family::Debian, &[], &["lvp_icd.json"]) }, true, "wsl", "Windows build"),
            (machine(Family::Debian, &[], &["lvp_icd.json"]), true, "gpu", "virtual machine"),
        ] {
            let found = only(machine, loader);
            assert_eq!((found.0, found.1), (Level::Stop, check), "{found:?}");
            assert!(found.2.contains(fix), "{found:?}");
        }
    }
}
