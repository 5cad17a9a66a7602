//! Writing model folders in pieces that survive a kill.
//!
//! A folder is made beside its final place, in `NAME.partial`, of pieces, such as one a decoder layer. Each is a
//! safetensors file that has its name only when it is whole. [`PartialFolder::finish`] turns them into shards and gives the
//! folder its name. After a kill, [`PartialFolder::open`] goes on: the pieces that are done are skipped, and the bytes are the
//! same.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::hub::INDEX;
use super::safetensors;
use super::source::SourceFile;
use super::tensors::Tensors;
use super::write::{NewTensor, write_safetensors};
use crate::atomic_write::{self, UNFINISHED};
use crate::error::{Error, Result};
use crate::lock::{LOCK, lock_folder};

/// Bytes of tensors in a shard: the hub's own limit is 5 GB a file, headers included.
pub const SHARD_BYTES: u64 = 4_900_000_000;

const SETTINGS: &str = "settings";
const COMPLETE: &str = "complete";
const FOLDER: &str = "folder";

/// A small file beside the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFile {
    /// Its name in the folder.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// A model folder that is being written.
#[derive(Debug)]
pub struct PartialFolder {
    out: PathBuf,
    partial: PathBuf,
    lock: File,
}

impl PartialFolder {
    /// Begins the folder `out`, or goes on where a killed run stopped. `settings` is the text of all that decides the
    /// folder's bytes, model and method; pieces of other settings are never taken. Returns None where a run was killed
    /// after the folder was complete.
    ///
    /// # Errors
    /// `out` exists; another process writes it; a run with other settings was begun.
    pub fn open(out: &Path, settings: &str) -> Result<Option<PartialFolder>> {
        if out.file_name().is_none() {
            return Err(Error::request("output", "a folder's name", out.display(), "name a folder to make"));
        }
        let partial = out.with_added_extension("partial");
        let exists = std::fs::read_dir(out).map(|mut entries| entries.next().is_some()).unwrap_or(out.exists());
        if exists && !partial.exists() {
            let fix = "remove it or name another folder";
            return Err(Error::request("output", "a folder that is not there yet", out.display(), fix));
        }
        std::fs::create_dir_all(&partial).map_err(Error::io(&partial))?;
        let lock = lock_folder(&partial, "output")?;
        let work = PartialFolder { out: out.to_owned(), partial, lock };
        if exists {
            let cleaning = work.path(COMPLETE).exists() || !work.path(SETTINGS).exists();
            if !cleaning || work.path(FOLDER).exists() {
                let fix = format!("remove it, or remove {}", work.partial.display());
                return Err(Error::request("output", "a folder that is not there yet", out.display(), fix));
            }
            work.clean_up()?;
            return Ok(None);
        }
        // The temporary files of a killed run, whose names no other run takes.
        remove_files(&work.partial, |path| path.to_string_lossy().ends_with(UNFINISHED))?;
        work.settle(settings)?;
        Ok(Some(work))
    }

    /// Records the settings, or checks that they are those recorded.
    fn settle(&self, settings: &str) -> Result<()> {
        let file = self.path(SETTINGS);
        if !file.exists() {
            return self.write_bytes(SETTINGS, settings.as_bytes());
        }
        let recorded = SourceFile::open(&file)?.read_all(4 << 20)?;
        if recorded == settings.as_bytes() {
            return Ok(());
        }
        // Before the first piece there is nothing that other settings have made.
        let entries = std::fs::read_dir(&self.partial).map_err(Error::io(&self.partial))?;
        if !entries.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "safetensors")) {
            return self.write_bytes(SETTINGS, settings.as_bytes());
        }
        let fix = format!("give those settings to go on, or remove {} to start anew", self.partial.display());
        let (field, [found, expected]) = first_difference(&String::from_utf8_lossy(&recorded), settings);
        Err(Error::malformed(&file, format!("{field} of the run that was begun"), expected, found, fix))
    }

    /// Returns the path of a file until the folder is finished. The caller may keep files of its own there.
    pub fn path(&self, name: &str) -> PathBuf {
        self.partial.join(name)
    }

    /// Tells whether this run or one before has written the piece.
    pub fn has(&self, piece: &str) -> bool {
        self.path(&file_name(piece)).exists()
    }

    /// Writes a piece to the disk.
    pub fn write(&self, piece: &str, tensors: &[NewTensor]) -> Result<()> {
        write_safetensors(&self.path(&file_name(piece)), tensors)
    }

    /// Writes a file of the caller's own to the disk.
    pub fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<()> {
        atomic_write::write(&self.path(name), bytes)
    }

    /// Opens a finished piece.
    pub fn piece(&self, piece: &str) -> Result<Tensors> {
        safetensors::open(SourceFile::open(&self.path(&file_name(piece)))?)
    }

    /// Writes the pieces in this order to as few shards as `shard_bytes` allows with no piece cut, adds the files, and
    /// gives the folder its name.
    pub fn finish(self, pieces: &[String], files: &[NewFile], shard_bytes: u64) -> Result<()> {
        let folder = self.path(FOLDER);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        std::fs::create_dir(&folder).map_err(Error::io(&folder))?;
        let pieces = pieces.iter().map(|piece| self.piece(piece)).collect::<Result<Vec<_>>>()?;
        write_shards(&folder, &pieces, shard_bytes)?;
        for file in files {
            atomic_write::write(&folder.join(&file.name), &file.bytes)?;
        }
        drop(pieces);
        self.write_bytes(COMPLETE, b"")?;
        // An empty folder of this name may be in the way, which only some systems rename over.
        let _ = std::fs::remove_dir(&self.out);
        std::fs::rename(&folder, &self.out).map_err(Error::io(&self.out))?;
        let parent = self.out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        atomic_write::sync_folder(parent).map_err(Error::io(parent))?;
        self.clean_up()
    }

    /// Removes `NAME.partial`, the mark of a complete folder last.
    fn clean_up(self) -> Result<()> {
        remove_files(&self.partial, |path| ![LOCK, COMPLETE].iter().any(|kept| path.ends_with(kept)))?;
        let (partial, complete, locked) = (self.partial.clone(), self.path(COMPLETE), self.path(LOCK));
        drop(self.lock);
        for path in [locked, complete] {
            if path.exists() {
                std::fs::remove_file(&path).map_err(Error::io(&path))?;
            }
        }
        std::fs::remove_dir(&partial).map_err(Error::io(&partial))
    }
}

/// Returns the path of the first field in which two JSON texts differ, and both values; of other texts the whole.
fn first_difference(recorded: &str, settings: &str) -> (String, [String; 2]) {
    let parsed = [recorded, settings].map(serde_json::from_str::<Value>);
    let [Ok(mut before), Ok(mut now)] = parsed else {
        return ("settings".into(), [recorded, settings].map(str::to_owned));
    };
    let mut path = Vec::new();
    while let (Value::Object(one), Value::Object(other)) = (&before, &now) {
        let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
        let Some(key) = keys.into_iter().find(|key| one.get(*key) != other.get(*key)).cloned() else { break };
        let [next_before, next_now] = [one, other].map(|object| object.get(&key).cloned().unwrap_or_default());
        (before, now) = (next_before, next_now);
        path.push(key);
    }
    (path.join("."), [before, now].map(|value| value.to_string()))
}

fn file_name(piece: &str) -> String {
    format!("{piece}.safetensors")
}

/// Removes the files of a folder that `unwanted` says.
fn remove_files(folder: &Path, unwanted: impl Fn(&Path) -> bool) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if unwanted(&path) {
            std::fs::remove_file(&path).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

/// Writes one file, or shards and their index.
fn write_shards(folder: &Path, pieces: &[Tensors], shard_bytes: u64) -> Result<()> {
    let size = |piece: &Tensors| piece.infos().iter().map(|tensor| tensor.bytes).sum::<u64>();
    let mut shards: Vec<(u64, Vec<&Tensors>)> = Vec::new();
    for piece in pieces {
        match shards.last_mut() {
            Some((bytes, shard)) if *bytes + size(piece) <= shard_bytes => {
                *bytes += size(piece);
                shard.push(piece);
            }
            _ => shards.push((size(piece), vec![piece])),
        }
    }
    let mut weight_map = BTreeMap::new();
    for (number, (_, shard)) in (1..).zip(&shards) {
        let name = match shards.len() {
            1 => "model.safetensors".to_owned(),
            count => format!("model-{number:05}-of-{count:05}.safetensors"),
        };
        let mut tensors = Vec::new();
        for piece in shard {
            tensors.extend(piece.infos().iter().map(|tensor| NewTensor::stored(piece, tensor)));
        }
        weight_map.extend(tensors.iter().map(|tensor| (tensor.name.clone(), name.clone())));
        write_safetensors(&folder.join(name), &tensors)?;
    }
    if shards.len() < 2 {
        return Ok(());
    }
    let total: u64 = shards.iter().map(|(bytes, _)| bytes).sum();
    let index = json!({"metadata": {"total_size": total}, "weight_map": weight_map});
    atomic_write::write(&folder.join(INDEX), pretty(&index))
}

/// Writes JSON as Hugging Face does.
pub(super) fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}
