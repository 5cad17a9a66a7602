//! Tasks as a user names them.

use std::path::Path;

use super::{Subset, TASKS, Task};
use crate::error::{Error, Result};

/// Opens a task and its sets by a name: `mmlu`; `mmlu:stem` for the sets of a group, `mmlu:anatomy` for one set,
/// several with commas; `flores:deu_Latn-eng_Latn` for pairs of languages, also those that `flores` alone leaves out.
///
/// # Errors
/// No task of this name, no set of it; what reading it refuses; a set that is a copy of its few-shot examples.
pub fn open(name: &str, data: &Path) -> Result<(&'static Task, Vec<Subset>)> {
    let (name, parts) = name.split_once(':').map_or((name, None), |(name, parts)| (name, Some(parts)));
    let Some(task) = TASKS.iter().copied().find(|task| task.name == name) else {
        let known: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
        return Err(Error::request("task", format!("one of {}", known.join(", ")), name, "correct the name"));
    };
    let sets = match (parts, task.read_parts) {
        (None, _) => (task.read)(data)?,
        (Some(parts), Some(read)) => read(data, parts)?,
        (Some(parts), None) => chosen((task.read)(data)?, name, parts)?,
    };
    sets.iter().try_for_each(apart)?;
    Ok((task, sets))
}

/// Returns the sets that `parts` names, in the order of the task.
fn chosen(mut sets: Vec<Subset>, task: &str, parts: &str) -> Result<Vec<Subset>> {
    let parts: Vec<&str> = parts.split(',').map(str::trim).collect();
    let is = |set: &Subset, part: &str| {
        set.name == part
            || set.name.strip_prefix(task).and_then(|rest| rest.strip_prefix('_')) == Some(part)
            || set.groups.iter().any(|group| group == part)
    };
    if let Some(unknown) = parts.iter().find(|part| !sets.iter().any(|set| is(set, part))) {
        let known: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        let expected = format!("a group, or one of {}", known.join(", "));
        return Err(Error::request(format!("part of {task}"), expected, unknown, "correct the name"));
    }
    sets.retain(|set| parts.iter().any(|part| is(set, part)));
    Ok(sets)
}

/// Checks that a set is not its own examples, one split's file copied over the other's: the answers would stand in the
/// prompts. A pool always comes from files of its own; without one, examples are drawn from the documents.
fn apart(set: &Subset) -> Result<()> {
    if set.documents.is_empty() || set.documents.iter().any(|document| !set.pool.contains(document)) {
        return Ok(());
    }
    let files: Vec<String> = set.files.iter().map(|file| file.display().to_string()).collect();
    let found = format!("all {} of them among the examples", set.documents.len());
    let fix = format!("get these again, one seems to be a copy of another: {}", files.join(", "));
    Err(Error::request(format!("documents of {}", set.name), "others than its few-shot examples", found, fix))
}
