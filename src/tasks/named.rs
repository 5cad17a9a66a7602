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
    let names = set_names(task, parts, sets.iter().map(|set| (set.name.clone(), set.groups.clone())))?;
    sets.retain(|set| names.contains(&set.name));
    Ok(sets)
}

/// Returns the names of those of a task's sets, each with its groups, that `parts` names: by their names, with or without
/// the task's in front, or by a group.
///
/// # Errors
/// A part that is none of them.
pub(super) fn set_names(
    task: &str,
    parts: &str,
    sets: impl Iterator<Item = (String, Vec<String>)>,
) -> Result<Vec<String>> {
    let mut sets: Vec<_> = sets.collect();
    let parts: Vec<&str> = parts.split(',').map(str::trim).collect();
    let is = |(name, groups): &(String, Vec<String>), part: &str| {
        name == part
            || name.strip_prefix(task).and_then(|rest| rest.strip_prefix('_')) == Some(part)
            || groups.iter().any(|group| group == part)
    };
    if let Some(unknown) = parts.iter().find(|part| !sets.iter().any(|set| is(set, part))) {
        let known: Vec<&str> = sets.iter().map(|(name, _)| name.as_str()).collect();
        let expected = format!("a group, or one of {}", known.join(", "));
        return Err(Error::request(format!("part of {task}"), expected, unknown, "correct the name"));
    }
    sets.retain(|set| parts.iter().any(|part| is(set, part)));
    Ok(sets.into_iter().map(|(name, _)| name).collect())
}

/// Returns the names that [`open`] takes for what a user names. Parts of one task are put together: `mmlu:anatomy` and
/// `mmlu:virology`, or `mmlu:anatomy` and `virology` where a comma stood between them. The harness's own names of a set
/// are understood: `mmlu_anatomy`, `ceval-valid_law`.
pub fn normalized(names: &[String]) -> Vec<String> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let is_task = |name: &str| TASKS.iter().any(|task| task.name == name);
    for name in names {
        let before = found.last().filter(|(_, parts)| !parts.is_empty()).map(|(task, _)| task.clone());
        let (task, part) = match (name.split_once(':'), of_harness(name), &before) {
            (Some((task, part)), ..) => (task, Some(part)),
            _ if is_task(name) => (name.as_str(), None),
            (None, Some((task, part)), _) => (task, Some(part)),
            (None, None, Some(task)) => (task.as_str(), Some(name.as_str())),
            (None, None, None) => (name.as_str(), None),
        };
        let part = part.map(str::to_owned);
        match found.iter_mut().find(|(known, parts)| known == task && !parts.is_empty()) {
            Some((_, parts)) if part.is_some() => parts.extend(part),
            _ => found.push((task.to_owned(), part.into_iter().collect())),
        }
    }
    let name = |(task, parts): (String, Vec<String>)| match parts.is_empty() {
        true => task,
        false => format!("{task}:{}", parts.join(",")),
    };
    found.into_iter().map(name).collect()
}

/// Returns the task and the set that lm-evaluation-harness names so.
fn of_harness(name: &str) -> Option<(&'static str, &str)> {
    let name_of = |task: &str| if task == "ceval" { "ceval-valid_".to_owned() } else { format!("{task}_") };
    TASKS.iter().find_map(|task| Some((task.name, name.strip_prefix(&name_of(task.name))?)))
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
