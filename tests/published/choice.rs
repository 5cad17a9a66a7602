//! Tasks with choices: the published data, and samples that lm-evaluation-harness logged.

use std::path::PathBuf;

use qwgpu::tasks::prompt::compose;
use qwgpu::tasks::{Item, Subset};
use serde_json::Value;

use crate::external::External;
use crate::prompts::{asked, choices, document_hash, json, named, set, sha256, strings, task};

pub static TESTS: &[External] = &[
    External { name: "choice/all_rows_are_read", needs: &["QWGPU_DATA"], run: all_rows_are_read },
    External {
        name: "choice/categories_are_those_of_the_mapping",
        needs: &["QWGPU_DATA"],
        run: categories_are_those_of_the_mapping,
    },
    External {
        name: "choice/logged_samples_are_reproduced",
        needs: &["QWGPU_DATA", "QWGPU_GOLDEN"],
        run: logged_samples_are_reproduced,
    },
];

/// The counts are those of the dev half of the data, every other row of the published files.
fn all_rows_are_read(paths: &[PathBuf]) {
    let data = &paths[0];
    let expected = [
        ("mmlu", 57, 7032, 285),
        ("ceval", 52, 691, 260),
        ("snli", 1, 4912, 1273),
        ("truthfulqa_mc1", 1, 409, 0),
        ("truthfulqa_mc2", 1, 409, 0),
        ("truthfulqa_gen", 1, 409, 0),
        ("bbq", 6, 5980, 0),
    ];
    for (name, sets, documents, pool) in expected {
        let read = (task(name).read)(data).unwrap();
        let count = |rows: fn(&Subset) -> usize| read.iter().map(rows).sum::<usize>();
        let found = (read.len(), count(|set| set.documents.len()), count(|set| set.pool.len()));
        assert_eq!(found, (sets, documents, pool), "{name}");
        for (set, profile) in read.iter().flat_map(|set| task(name).profiles.iter().map(move |profile| (set, profile)))
        {
            for document in &set.documents {
                let (context, continuations) = compose(&(profile.prompt)(set, document), &[]);
                assert!(!context.is_empty() && continuations.iter().all(|text| !text.trim().is_empty()), "{document}");
            }
        }
    }
}

fn categories_are_those_of_the_mapping(paths: &[PathBuf]) {
    let data = &paths[0];
    let mapping = json(&data.join("ceval/subject_mapping.json"));
    let sets = (task("ceval").read)(data).unwrap();
    assert_eq!(mapping.as_object().unwrap().len(), sets.len());
    for set in &sets {
        let [_, chinese, category] = strings(&mapping[set.name.strip_prefix("ceval_").unwrap()])[..] else {
            panic!("{}: not three names", set.name)
        };
        assert_eq!(*set.groups.last().unwrap(), category.to_lowercase().replace(' ', "_"));
        let prompt = (task("ceval").profiles[0].prompt)(set, &set.documents[0]);
        assert_eq!(prompt.description, format!("以下是中国关于{chinese}的单项选择题，请选出其中的正确答案。\n\n"));
    }
    assert_eq!(sets.iter().filter(|set| set.groups[0] == "hard").count(), 8);
}

/// Documents, whole prompts, targets and scores of the harness's own logs.
fn logged_samples_are_reproduced(paths: &[PathBuf]) {
    let [data, golden] = paths else { unreachable!("two variables") };
    let logs = [
        ("mmlu", "mmlu_abstract_algebra", 5),
        ("truthfulqa_mc1", "truthfulqa_mc1", 0),
        ("truthfulqa_mc2", "truthfulqa_mc2", 0),
        ("snli", "snli_mnli_form", 0),
    ];
    for (name, log, shots) in logs {
        let (task, profile) = named(name);
        let set = set(task, data);
        let log = std::fs::read_to_string(golden.join(format!("lm-eval/samples/local_{log}.jsonl"))).unwrap();
        let asked = asked(&set, profile, shots);
        for line in log.lines() {
            let sample: Value = serde_json::from_str(line).unwrap();
            let index = sample["doc_id"].as_u64().unwrap() as usize;
            let document = &set.documents[index];
            assert_eq!(document_hash(document), sample["doc_hash"], "{name} {index}");
            let (prompt, shots) = &asked[index];
            let (context, continuations) = compose(prompt, shots);
            assert_eq!(sha256(&context), sample["prompt_hash"], "{name} {index}");
            assert_eq!(sha256(&prompt.logged_target.as_ref().unwrap().to_string()), sample["target_hash"]);
            for (number, continuation) in continuations.iter().enumerate() {
                assert_eq!(*continuation, sample["arguments"][format!("gen_args_{number}")]["arg_1"]);
            }
            let sums = sample["filtered_resps"].as_array().unwrap();
            let sums: Vec<f64> = sums.iter().map(|pair| pair[0].as_str().unwrap().parse().unwrap()).collect();
            let outcomes = (profile.score)(&set, document, &choices(&sums)).unwrap();
            let (_, item) = outcomes[0].items.iter().find(|(name, _)| *name == "acc").unwrap();
            let Item::Number(acc) = item else { panic!("{item:?}") };
            assert!((acc - sample["acc"].as_f64().unwrap()).abs() < 1e-6, "{name} {index}: {acc}");
        }
    }
}
