//! Tasks with replies: the published data, and samples that lm-evaluation-harness logged.

use std::path::PathBuf;

use qwgpu::tasks::named::open;
use serde_json::Value;

use crate::external::External;
use crate::prompts::{document_hash, named, number, reply_prompts, score_reply, sha256};

pub static TESTS: &[External] = &[
    External { name: "reply/published_files_load", needs: &["QWGPU_DATA"], run: published_files_load },
    External {
        name: "reply/the_harness_logged_the_same",
        needs: &["QWGPU_DATA", "QWGPU_GOLDEN"],
        run: the_harness_logged_the_same,
    },
];

/// The half of the published data that we hold, by the counts of its README.
fn published_files_load(paths: &[PathBuf]) {
    for (task, documents, pool) in [
        ("gsm8k", 660, 7473),
        ("cnn_dailymail", 250, 0),
        ("xsum", 500, 0),
        ("flores", 506, 0),
        ("flores:tha_Thai-kor_Hang", 506, 0),
    ] {
        for set in open(task, &paths[0]).unwrap().1 {
            assert_eq!((set.documents.len(), set.pool.len()), (documents, pool), "{}", set.name);
        }
    }
}

/// lm-evaluation-harness's own log of GSM8K: digests of documents, prompts and targets.
fn the_harness_logged_the_same(paths: &[PathBuf]) {
    let [data, golden] = paths else { unreachable!("two variables") };
    let (_, profile) = named("gsm8k lmh");
    let (_, mut sets) = open("gsm8k", data).unwrap();
    let set = &mut sets[0];
    set.documents.truncate(2);
    let asked = reply_prompts(set, profile, 5);
    let log = std::fs::read_to_string(golden.join("lm-eval/samples/local_gsm8k.jsonl")).unwrap();
    let mut seen = 0;
    for line in log.lines() {
        let sample: Value = serde_json::from_str(line).unwrap();
        let id = sample["doc_id"].as_u64().unwrap() as usize;
        assert_eq!(document_hash(&set.documents[id]), sample["doc_hash"]);
        assert_eq!(sha256(&asked[id].0), sample["prompt_hash"]);
        assert_eq!(sha256(&asked[id].1), sample["target_hash"]);
        let reply = sample["resps"][0][0].as_str().unwrap();
        let outcomes = score_reply(profile, set, &set.documents[id], reply);
        let outcome = outcomes.iter().find(|outcome| outcome.filter == sample["filter"]).unwrap();
        assert_eq!(outcome.filtered.as_ref().unwrap()[0], sample["filtered_resps"][0]);
        assert_eq!(number(&outcomes, outcome.filter, "exact_match"), sample["exact_match"].as_f64().unwrap());
        seen += 1;
    }
    assert_eq!(seen, 4);
}
