//! `qwgpu doctor`: findings on made-up systems, and on this one.

use std::path::{Path, PathBuf};

use qwgpu::doctor::Level;
use qwgpu::doctor::drivers::drivers;
use qwgpu::doctor::system::{Packages, RenderNode, System, Vendor};

use crate::command::{ends, json, stdout};
use crate::files::put;

fn system(distribution: &str, cards: &[Vendor], drivers: &[&str]) -> System {
    System {
        packages: Packages::of(&format!("ID={distribution}\n")),
        cards: cards.to_vec(),
        drivers: drivers.iter().map(|driver| (*driver).to_owned()).collect(),
        ..System::read(Path::new("/nonexistent"), |_| None)
    }
}

#[test]
fn each_cause_has_its_fix() {
    let node = |usable| RenderNode { path: PathBuf::from("/dev/dri/renderD128"), usable, group: "video".into() };
    let amd = system("arch", &[Vendor::Amd], &["radeon_icd.json"]);
    let nvidia = system("fedora", &[Vendor::Nvidia], &["lvp_icd.json"]);
    let debian = system("debian", &[], &["lvp_icd.json"]);
    for (system, loader, check, fix) in [
        (system("alpine", &[], &[]), true, "driver", "apk add mesa-vulkan-swrast"),
        (debian.clone(), false, "loader", "apt install libvulkan1"),
        (nvidia.clone(), true, "driver", "dnf install akmod-nvidia"),
        (System { container: true, nvidia_device: true, ..nvidia }, true, "driver", "NVIDIA_DRIVER_CAPABILITIES"),
        (amd.clone(), true, "dri", "amdgpu"),
        (System { container: true, ..amd.clone() }, true, "dri", "--device /dev/dri"),
        (System { nodes: vec![node(false)], ..amd.clone() }, true, "dri", "usermod -aG video"),
        (System { nodes: vec![node(true)], ..amd }, true, "gpu", "vulkaninfo"),
        (System { wsl: true, ..debian.clone() }, true, "wsl", "Windows build"),
        (debian, true, "gpu", "virtual machine"),
    ] {
        let found = drivers(&system, &[], loader);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].level, found[0].check), (Level::Stop, check), "{found:?}");
        assert!(found[0].fix.as_ref().is_some_and(|found| found.contains(fix)), "{fix}: {found:?}");
    }
}

#[test]
fn a_container_is_read_below_its_root() {
    let root = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("etc/os-release", "NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
        ("etc/group", "root:x:0:\n"),
        (".dockerenv", ""),
        ("proc/version", "Linux version 6.6.0"),
        ("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    8388608 kB\n"),
        ("sys/fs/cgroup/memory.max", "2147483648\n"),
        ("sys/fs/cgroup/memory.current", "1073741824\n"),
        ("sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n"),
        ("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n"),
        ("sys/bus/pci/devices/0000:00:00.0/class", "0x060000\n"),
        ("usr/share/vulkan/icd.d/lvp_icd.x86_64.json", "{}"),
        ("dev/dri/renderD128", ""),
    ] {
        put(root.path(), file, text);
    }
    let system = System::read(root.path(), |_| None);
    assert!(system.packages.loader.contains("apt install"), "{:?}", system.packages);
    assert!(system.container && !system.wsl && !system.nvidia_device);
    assert_eq!(system.cards, [Vendor::Nvidia]);
    assert_eq!(system.drivers, ["lvp_icd.x86_64.json"]);
    assert!(!system.has_driver(Vendor::Nvidia));
    assert_eq!(system.free_memory, Some(1 << 30));
    assert_eq!(system.nodes.len(), 1);
    assert!(system.nodes[0].usable);
    assert!(System::read(Path::new("/nonexistent"), |_| None).free_memory.is_none());
}

#[test]
fn distributions_go_by_id_then_by_likeness() {
    for (text, installs) in [
        ("ID=fedora\n", "dnf"),
        ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n", "zypper"),
        ("ID=manjaro\nID_LIKE=arch\n", "pacman"),
        ("ID=nixos\n", "configuration.nix"),
        ("ID=void\n", "your distribution"),
        ("", "your distribution"),
    ] {
        assert!(Packages::of(text).loader.contains(installs), "{text}: {:?}", Packages::of(text));
    }
}

#[test]
fn a_model_can_run_here() {
    let report = json(&ends(0, ["doctor", "--json"]));
    assert_eq!(report["can_run"], true);
    assert!(report["adapter"].is_string());
    let findings = report["findings"].as_array().unwrap();
    for finding in findings {
        assert!(finding["check"].is_string() && finding["message"].is_string(), "{finding}");
        assert!(["ok", "slow", "stop"].contains(&finding["level"].as_str().unwrap()));
        assert_eq!(finding["fix"].is_null(), finding["level"] == "ok", "{finding}");
    }
    assert!(findings.iter().any(|f| f["check"] == "kernels" && f["level"] == "ok"), "{report}");
    assert!(stdout(&ends(0, ["doctor"])).contains("a model can run"));
}
