//! FollowBench's published prompts.

use std::path::PathBuf;

use qwgpu::tasks::followbench::{TASK, TASK_ZH};

use crate::external::External;
use crate::prompts::score_reply;

pub static TESTS: &[External] =
    &[External { name: "followbench/published_files_load", needs: &["QWGPU_DATA"], run: published_files_load }];

/// The counts are those of the dev half of the data: levels 1 to 5 of each example, and those that a rule decides.
fn published_files_load(paths: &[PathBuf]) {
    for (task, prompts, examples) in [(&TASK, 415, 20), (&TASK_ZH, 400, 20)] {
        let sets = (task.read)(&paths[0]).unwrap();
        let documents: Vec<_> = sets.iter().flat_map(|set| &set.documents).collect();
        assert_eq!(documents.len(), prompts, "{}", task.name);
        let by_rule = |name: &str| {
            let set = sets.iter().find(|set| set.name.ends_with(name)).unwrap();
            let outcomes = |document| score_reply(&task.profiles[0], set, document, "x").len();
            set.documents.iter().filter(|document| outcomes(*document) == 2).count() / 5
        };
        assert_eq!(by_rule("example"), examples);
        assert_eq!(by_rule("style"), 0);
        assert!(by_rule("content") > 4 && by_rule("mixed") > 2 && by_rule("situation") > 3);
    }
}
