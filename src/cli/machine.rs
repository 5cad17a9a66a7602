//! The machine under the drivers, as far as `qwgpu doctor` asks. Read below a root folder, so that a
//! test can build one.

use std::path::{Path, PathBuf};

/// Distributions that share package names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    Debian,
    Fedora,
    Arch,
    Suse,
    Alpine,
    Nix,
    #[default]
    Other,
}

/// Who made a graphics card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    Nvidia,
    Amd,
    Intel,
    Other,
}

/// A render node below /dev/dri.
#[derive(Clone, Debug)]
pub struct Node {
    pub path: PathBuf,
    /// This user can open it.
    pub usable: bool,
    /// The group that owns it.
    pub group: String,
}

#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub family: Family,
    /// Windows' Subsystem for Linux.
    pub wsl: bool,
    pub container: bool,
    /// Display controllers on the PCI bus, which a container shows too.
    pub cards: Vec<Vendor>,
    /// NVIDIA's kernel driver serves this system.
    pub nvidia_device: bool,
    pub nodes: Vec<Node>,
    /// Names of the Vulkan drivers' manifests.
    pub drivers: Vec<String>,
    /// Memory that a program can still have, in bytes.
    pub free: Option<u64>,
}

impl Machine {
    /// What lies below `root`, by Linux's layout; `env` gives environment variables.
    pub fn read(root: &Path, env: impl Fn(&str) -> Option<String>) -> Machine {
        let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let there = |path: &str| root.join(path).exists();
        let contained = ["docker", "containerd", "kubepods", "lxc", "podman"];
        let groups = text("proc/1/cgroup");
        Machine {
            family: family(&text("etc/os-release")),
            wsl: text("proc/version").to_lowercase().contains("microsoft"),
            container: there(".dockerenv")
                || there("run/.containerenv")
                || contained.iter().any(|name| groups.contains(name)),
            cards: cards(&root.join("sys/bus/pci/devices")),
            nvidia_device: there("dev/nvidia0"),
            nodes: nodes(root),
            drivers: drivers(root, &env),
            free: free(&text("proc/meminfo"), &text("sys/fs/cgroup/memory.max"), &text("sys/fs/cgroup/memory.current")),
        }
    }

    /// The machine this runs on.
    pub fn here() -> Machine {
        let mut machine = Machine::read(Path::new("/"), |name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        if cfg!(target_os = "macos") {
            // All of it; macOS compresses and evicts what others hold.
            let output = std::process::Command::new("sysctl").args(["-n", "hw.memsize"]).output().ok();
            machine.free = output.and_then(|o| String::from_utf8(o.stdout).ok()?.trim().parse().ok());
        }
        machine
    }

    /// Whether a driver for this vendor's cards is installed.
    pub fn has_driver(&self, vendor: Vendor) -> bool {
        let names: &[&str] = match vendor {
            Vendor::Nvidia => &["nvidia", "nouveau"],
            Vendor::Amd => &["radeon", "amd"],
            Vendor::Intel => &["intel"],
            Vendor::Other => &[""],
        };
        self.drivers.iter().any(|driver| names.iter().any(|name| driver.contains(name)))
    }
}

fn family(os_release: &str) -> Family {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or("").trim_matches(['"', '\'']).to_lowercase()
    };
    let known = [
        ("debian", Family::Debian),
        ("ubuntu", Family::Debian),
        ("fedora", Family::Fedora),
        ("rhel", Family::Fedora),
        ("arch", Family::Arch),
        ("suse", Family::Suse),
        ("opensuse", Family::Suse),
        ("alpine", Family::Alpine),
        ("nixos", Family::Nix),
    ];
    let names = format!("{} {}", value("ID"), value("ID_LIKE"));
    let find = |name: &str| known.iter().find(|(known, _)| name.split('-').next() == Some(known));
    names.split_whitespace().find_map(find).map(|(_, family)| *family).unwrap_or_default()
}

fn cards(devices: &Path) -> Vec<Vendor> {
    let Ok(entries) = std::fs::read_dir(devices) else { return Vec::new() };
    let vendor = |device: PathBuf| {
        let read = |name: &str| std::fs::read_to_string(device.join(name)).unwrap_or_default();
        // Class 3 is a display controller.
        read("class").starts_with("0x03").then(|| match read("vendor").trim() {
            "0x10de" => Vendor::Nvidia,
            "0x1002" => Vendor::Amd,
            "0x8086" => Vendor::Intel,
            _ => Vendor::Other,
        })
    };
    entries.flatten().filter_map(|entry| vendor(entry.path())).collect()
}

fn nodes(root: &Path) -> Vec<Node> {
    let Ok(entries) = std::fs::read_dir(root.join("dev/dri")) else { return Vec::new() };
    let groups = std::fs::read_to_string(root.join("etc/group")).unwrap_or_default();
    let render = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("renderD"));
    render
        .map(|entry| {
            let path = entry.path();
            let usable = std::fs::OpenOptions::new().read(true).write(true).open(&path).is_ok();
            let group = group_of(&path, &groups).unwrap_or_else(|| "render".into());
            Node { path, usable, group }
        })
        .collect()
}

/// A line of /etc/group is `name:password:number:members`.
#[cfg(unix)]
fn group_of(path: &Path, groups: &str) -> Option<String> {
    let number = std::os::unix::fs::MetadataExt::gid(&std::fs::metadata(path).ok()?).to_string();
    let line = groups.lines().find(|line| line.split(':').nth(2) == Some(number.as_str()))?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(not(unix))]
fn group_of(_: &Path, _: &str) -> Option<String> {
    None
}

/// Where the Vulkan loader looks for drivers.
fn drivers(root: &Path, env: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(files) = env("VK_DRIVER_FILES").or_else(|| env("VK_ICD_FILENAMES")) {
        names.extend(files.split(':').map(Path::new).filter(|file| file.exists()).filter_map(name));
        return names;
    }
    let mut folders: Vec<PathBuf> = ["etc", "usr/share", "usr/local/share", "usr/local/etc", "run/opengl-driver/share"]
        .iter()
        .map(|folder| root.join(folder))
        .collect();
    folders.extend(env("XDG_DATA_DIRS").iter().flat_map(|dirs| dirs.split(':')).map(PathBuf::from));
    folders.extend(env("HOME").map(|home| Path::new(&home).join(".local/share")));
    for folder in folders {
        let entries = std::fs::read_dir(folder.join("vulkan/icd.d"));
        names.extend(entries.into_iter().flatten().flatten().filter_map(|e| name(&e.path())));
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn name(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    name.ends_with(".json").then(|| name.to_lowercase())
}

/// What the system has available, and no more than the container's limit leaves.
fn free(meminfo: &str, limit: &str, used: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let left = limit.trim().parse::<u64>().ok().map(|l| l.saturating_sub(used.trim().parse().unwrap_or(0)));
    Some(left.map_or(available, |left| left.min(available)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_container_is_read_below_its_root() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "etc/os-release", "NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n");
        write(root, "etc/group", "root:x:0:\n");
        write(root, ".dockerenv", "");
        write(root, "proc/version", "Linux version 6.6.0");
        write(root, "proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    8388608 kB\n");
        write(root, "sys/fs/cgroup/memory.max", "2147483648\n");
        write(root, "sys/fs/cgroup/memory.current", "1073741824\n");
        write(root, "sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n");
        write(root, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
        write(root, "sys/bus/pci/devices/0000:00:00.0/class", "0x060000\n");
        write(root, "usr/share/vulkan/icd.d/lvp_icd.x86_64.json", "{}");
        write(root, "dev/dri/renderD128", "");
        let machine = Machine::read(root, |_| None);
        assert_eq!(machine.family, Family::Debian);
        assert!(machine.container && !machine.wsl && !machine.nvidia_device);
        assert_eq!(machine.cards, [Vendor::Nvidia]);
        assert_eq!(machine.drivers, ["lvp_icd.x86_64.json"]);
        assert!(!machine.has_driver(Vendor::Nvidia));
        assert_eq!(machine.free, Some(1 << 30));
        assert_eq!(machine.nodes.len(), 1);
        assert!(machine.nodes[0].usable);
    }

    #[test]
    fn families_go_by_id_then_by_likeness() {
        for (text, expected) in [
            ("ID=fedora\n", Family::Fedora),
            ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n", Family::Suse),
            ("ID=manjaro\nID_LIKE=arch\n", Family::Arch),
            ("ID=nixos\n", Family::Nix),
            ("ID=void\n", Family::Other),
            ("", Family::Other),
        ] {
            assert_eq!(family(text), expected, "{text}");
        }
        assert!(Machine::read(Path::new("/nonexistent"), |_| None).free.is_none());
    }
}
