//! The facts of a system that decide whether Vulkan shows its GPU.
//!
//! They are read below a root folder, so that a test can make up a system. Of these facts the crate `sysinfo` has two,
//! free memory and distribution, and both only of the system it runs on; so it is not used.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Manufacturer of a graphics card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    Nvidia,
    Amd,
    Intel,
}

impl Vendor {
    /// Returns the vendor of a PCI vendor number, as in sysfs.
    fn from_pci(number: &str) -> Option<Vendor> {
        let numbers = [("0x10de", Vendor::Nvidia), ("0x1002", Vendor::Amd), ("0x8086", Vendor::Intel)];
        numbers.into_iter().find(|(known, _)| *known == number.trim()).map(|(_, vendor)| vendor)
    }

    /// Returns what the manifests of the vendor's Vulkan drivers have in their names.
    fn driver_names(self) -> &'static [&'static str] {
        match self {
            Vendor::Nvidia => &["nvidia", "nouveau"],
            Vendor::Amd => &["radeon", "amd"],
            Vendor::Intel => &["intel"],
        }
    }
}

/// Commands that install the parts of Vulkan on a family of distributions: a line of packages.tsv.
#[derive(Debug)]
pub struct Packages {
    /// The `ID` or `ID_LIKE` of os-release, several with spaces between them. Empty: any other distribution.
    ids: &'static str,
    pub loader: &'static str,
    /// A software driver.
    pub software: &'static str,
    /// The driver of each vendor.
    drivers: [&'static str; 3],
}

static PACKAGES: LazyLock<Vec<Packages>> = LazyLock::new(|| {
    let lines = include_str!("packages.tsv").lines().skip(1);
    let packages = lines.map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
        [ids, loader, software, nvidia, amd, intel] => {
            Packages { ids, loader, software, drivers: [nvidia, amd, intel] }
        }
        _ => unreachable!("every line of packages.tsv has six columns"),
    });
    packages.collect()
});

impl Packages {
    /// Returns the commands for the distribution of an os-release file: by its `ID`, then by its `ID_LIKE`.
    pub fn of(os_release: &str) -> &'static Packages {
        let value = |key: &str| {
            let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or("").trim_matches(['"', '\'']).to_lowercase()
        };
        let names = format!("{} {}", value("ID"), value("ID_LIKE"));
        // opensuse-tumbleweed is an opensuse.
        let mut names = names.split_whitespace().filter_map(|name| name.split('-').next());
        let known = |name: &str| PACKAGES.iter().find(|packages| packages.ids.split(' ').any(|id| id == name));
        names.find_map(known).unwrap_or(&PACKAGES[PACKAGES.len() - 1])
    }

    /// Returns the command that installs the driver of a vendor's cards.
    pub fn driver(&self, vendor: Vendor) -> &'static str {
        self.drivers[vendor as usize]
    }
}

/// Render node in /dev/dri.
#[derive(Clone, Debug)]
pub struct RenderNode {
    pub path: PathBuf,
    /// This user can open it.
    pub usable: bool,
    /// Name of the group that owns it.
    pub group: String,
}

/// Facts of a Linux system. On others only the memory is known, if that.
#[derive(Clone, Debug)]
pub struct System {
    pub packages: &'static Packages,
    /// It is Windows' Subsystem for Linux.
    pub wsl: bool,
    pub container: bool,
    /// Graphics cards on the PCI bus, which a container shows too.
    pub cards: Vec<Vendor>,
    /// NVIDIA's kernel driver serves this system.
    pub nvidia_device: bool,
    pub nodes: Vec<RenderNode>,
    /// Names of the manifests of Vulkan drivers.
    pub drivers: Vec<String>,
    /// Memory that a program can still have, in bytes.
    pub free_memory: Option<u64>,
}

impl System {
    /// Reads the facts below `root`; `env` returns environment variables.
    pub fn read(root: &Path, env: impl Fn(&str) -> Option<String>) -> System {
        let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let exists = |path: &str| root.join(path).exists();
        let groups = text("proc/1/cgroup");
        let in_group = ["docker", "containerd", "kubepods", "lxc", "podman"].iter().any(|name| groups.contains(name));
        System {
            packages: Packages::of(&text("etc/os-release")),
            wsl: text("proc/version").to_lowercase().contains("microsoft"),
            container: exists(".dockerenv") || exists("run/.containerenv") || in_group,
            cards: cards(&root.join("sys/bus/pci/devices")),
            nvidia_device: exists("dev/nvidia0"),
            nodes: render_nodes(&root.join("dev/dri"), &text("etc/group")),
            drivers: drivers(root, &env),
            free_memory: free_memory(root),
        }
    }

    /// Reads the facts of the system that this program runs on.
    pub fn here() -> System {
        let mut system = System::read(Path::new("/"), |name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        system.free_memory = free_memory_here();
        system
    }

    /// Returns whether a driver for a vendor's cards is installed.
    pub fn has_driver(&self, vendor: Vendor) -> bool {
        self.drivers.iter().any(|driver| vendor.driver_names().iter().any(|name| driver.contains(name)))
    }
}

/// Returns the paths of the entries of a folder; none if it cannot be read.
fn paths(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn cards(devices: &Path) -> Vec<Vendor> {
    let vendor = |device: PathBuf| {
        let read = |name: &str| std::fs::read_to_string(device.join(name)).unwrap_or_default();
        // Class 3 is a display controller.
        read("class").starts_with("0x03").then(|| Vendor::from_pci(&read("vendor")))?
    };
    paths(devices).filter_map(vendor).collect()
}

fn render_nodes(folder: &Path, groups: &str) -> Vec<RenderNode> {
    let is_node = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("renderD"));
    let node = |path: PathBuf| {
        let usable = std::fs::OpenOptions::new().read(true).write(true).open(&path).is_ok();
        let group = group_of(&path, groups).unwrap_or_else(|| "render".into());
        RenderNode { path, usable, group }
    };
    paths(folder).filter(is_node).map(node).collect()
}

/// Returns the group of a file. A line of `groups` is `name:password:number:members`.
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

/// Returns the names of the manifests that the Vulkan loader finds.
fn drivers(root: &Path, env: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let manifests: Vec<PathBuf> = match env("VK_DRIVER_FILES").or_else(|| env("VK_ICD_FILENAMES")) {
        Some(files) => files.split(':').map(PathBuf::from).filter(|file| file.exists()).collect(),
        None => {
            let system = ["etc", "usr/share", "usr/local/share", "usr/local/etc", "run/opengl-driver/share"];
            let mut folders: Vec<PathBuf> = system.iter().map(|folder| root.join(folder)).collect();
            folders.extend(env("XDG_DATA_DIRS").iter().flat_map(|dirs| dirs.split(':')).map(PathBuf::from));
            folders.extend(env("HOME").map(|home| Path::new(&home).join(".local/share")));
            folders.iter().flat_map(|folder| paths(&folder.join("vulkan/icd.d"))).collect()
        }
    };
    let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_lowercase());
    let mut names: Vec<String> = manifests.iter().filter_map(name).filter(|name| name.ends_with(".json")).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns the bytes of memory that a program can still have on this system, where it tells.
pub fn free_memory_here() -> Option<u64> {
    if cfg!(target_os = "macos") {
        // All memory: macOS compresses and evicts what other programs hold.
        let output = std::process::Command::new("sysctl").args(["-n", "hw.memsize"]).output().ok()?;
        return String::from_utf8(output.stdout).ok()?.trim().parse().ok();
    }
    free_memory(Path::new("/"))
}

/// Returns the memory that the system below `root` has available, at most what the limit of the container leaves.
fn free_memory(root: &Path) -> Option<u64> {
    let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let group = |fact: &str| text(&format!("sys/fs/cgroup/memory.{fact}")).trim().parse::<u64>().ok();
    let meminfo = text("proc/meminfo");
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let left = group("max").map(|limit| limit.saturating_sub(group("current").unwrap_or(0)));
    Some(left.map_or(available, |left| left.min(available)))
}
