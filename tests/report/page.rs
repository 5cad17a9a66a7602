//! The page and its files.

use std::collections::BTreeSet;
use std::path::Path;

use qwgpu::report;
use qwgpu::report::data::{NamedValue, Purpose, RunResult, StudyResult};

use super::{fixture, study};

fn written(study: &StudyResult) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    report::write(study, folder.path()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    sound(folder.path(), &page);
    (folder, page)
}

/// Checks that ids are unique, links within the report lead somewhere, and nothing is left half-written.
fn sound(folder: &Path, page: &str) {
    let ids: Vec<&str> = attributes(page, " id=\"");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id twice");
    for target in attributes(page, " aria-labelledby=\"").iter().flat_map(|list| list.split(' ')) {
        assert!(unique.contains(target), "no {target}");
    }
    for href in attributes(page, " href=\"") {
        match href.strip_prefix('#') {
            Some(id) => assert!(unique.contains(id), "{href}"),
            None => assert!(href.starts_with("samples/") || folder.join(href).is_file(), "{href}"),
        }
    }
    for file in std::fs::read_dir(folder.join("figures")).unwrap().chain(std::fs::read_dir(folder).unwrap()) {
        let path = file.unwrap().path();
        assert!(!path.to_string_lossy().ends_with(".part"), "{}", path.display());
        if path.extension().is_some_and(|e| e == "svg") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "XML has no control characters");
            assert!(page.contains(&format!("figures/{}", path.file_name().unwrap().to_str().unwrap())));
        }
    }
    assert!(!page.contains("<script"));
}

fn attributes<'a>(page: &'a str, start: &str) -> Vec<&'a str> {
    page.match_indices(start).map(|(at, _)| page[at + start.len()..].split('"').next().unwrap()).collect()
}

#[test]
fn all_parts_and_files_are_there() {
    let (folder, page) = written(&study());
    for id in "summary scores perplexities correlations cost size outliers bits ablation conditions claims".split(' ') {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    for file in ["study.json", "scores.csv", "perplexity.csv", "memory_speed.csv", "correlations.csv"] {
        assert!(folder.path().join(file).metadata().unwrap().len() > 100, "{file}");
    }
    assert!(page.contains("Every number here is made up"));
    assert!(page.contains("samples/Made-up_1B/gptq4/samples_mmlu.jsonl"));
    assert!(page.matches("<svg").count() >= 30);
}

#[test]
fn what_is_missing_reads_so() {
    let (folder, page) = written(&study());
    assert!(page.contains("not measured"));
    assert!(!page.contains("NaN"), "only a number that is none is called so");
    assert!(page.contains('∞'), "one perplexity is infinite");
    let csv = std::fs::read_to_string(folder.path().join("memory_speed.csv")).unwrap();
    assert!(csv.lines().nth(1).unwrap().contains(",,"), "an empty field for what is missing");
    let mut study = study();
    study.runs[1].perplexities[0].value = f64::NAN;
    assert!(written(&study).1.contains("NaN</a><small>× NaN, collapsed</small>"));
}

#[test]
fn the_data_comes_back_as_it_was() {
    let mut study = study();
    study.runs[0].perplexities[0].value = f64::NAN;
    let (folder, _) = written(&study);
    let back = StudyResult::read(&folder.path().join("study.json")).unwrap();
    assert!(back.runs[0].perplexities[0].value.is_nan());
    assert_eq!(serde_json::to_value(&back).unwrap(), serde_json::to_value(&study).unwrap());
    // Over an older report too.
    report::write(&back, folder.path()).unwrap();
}

#[test]
fn hostile_names_stay_text() {
    let hostile = "<script>alert(1)</script>\" onload='x' & \u{1}\u{7f} ]]> 模型 ../../x";
    let mut study = study();
    (study.title, study.note) = (hostile.to_owned(), Some(hostile.to_owned()));
    study.conditions.others.push(NamedValue { name: hostile.to_owned(), value: hostile.to_owned() });
    study.conditions.command = hostile.to_owned();
    study.failures.push(NamedValue { name: hostile.to_owned(), value: hostile.to_owned() });
    study.missing.push(hostile.to_owned());
    for run in &mut study.runs {
        run.model += hostile;
        run.options.push(NamedValue { name: hostile.to_owned(), value: hostile.to_owned() });
        for score in &mut run.scores {
            (score.task, score.metric) = (format!("{}{hostile}", score.task), hostile.to_owned());
            score.samples = Some("javascript:alert(1)".to_owned());
        }
        run.perplexities.iter_mut().for_each(|perplexity| perplexity.text += hostile);
        run.perplexities.iter_mut().for_each(|perplexity| perplexity.samples = Some("../secret".to_owned()));
    }
    let elsewhere = ["../secret", "/secret", "a/../../secret", "//host/secret", "\\\\host\\secret", ""];
    for (run, path) in study.runs.iter_mut().zip(elsewhere.into_iter().cycle()) {
        run.perplexities[0].samples = Some(path.to_owned());
    }
    study.runs[0].memory.samples = Some("samples/a b&c.json".to_owned());
    let (folder, page) = written(&study);
    assert!(!page.contains("javascript:") && !page.contains("<script") && !page.contains("secret"));
    assert!(page.contains("<a href=\"samples/a%20b%26c.json\">"));
    for file in std::fs::read_dir(folder.path().join("figures")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)), "{name}");
    }
}

#[test]
fn one_run_none_and_forty() {
    let mut one = study();
    one.runs.truncate(1);
    let (_folder, page) = written(&one);
    assert!(page.contains("1 run of 1 model on 5 benchmarks, and perplexity on 3 texts."));
    assert!(!page.contains("▼ ") || page.contains("could not be tested"));

    let mut none = study();
    none.runs.clear();
    assert!(written(&none).1.contains("No scores were measured."));

    let mut forty = study();
    let templates: Vec<RunResult> = forty.runs.clone();
    forty.runs = (0..40)
        .map(|index| {
            let mut run = templates[index % templates.len()].clone();
            if index >= templates.len() {
                run.method = "rtn".to_owned();
                run.true_bits = Some(2.0 + index as f64 / 4.0);
                run.options.push(NamedValue { name: "group size".to_owned(), value: index.to_string() });
            }
            run.purpose = if index % 7 == 6 { Purpose::Ablation } else { run.purpose };
            // The bootstrap is tested elsewhere and takes its time.
            run.perplexities.iter_mut().for_each(|perplexity| perplexity.windows.clear());
            run.scores.iter_mut().filter(|score| score.metric == "rougeL").for_each(|score| score.items.clear());
            run
        })
        .collect();
    let (_folder, page) = written(&forty);
    assert!(page.contains("40 runs of 2 models"));
    assert!(page.contains("RTN 2 bit, group size 39") || page.contains("group size 39"));
}

#[test]
fn without_scores_perplexities_speeds_or_bits() {
    let mut study = study();
    study.runs.iter_mut().for_each(|run| run.scores.clear());
    let (_folder, page) = written(&study);
    assert!(page.contains("No scores were measured.") && page.contains("nothing can be correlated"));
    for run in &mut study.runs {
        run.perplexities.clear();
        run.speeds.clear();
        run.true_bits = None;
        run.outliers = None;
        run.memory = report::data::Memory::default();
    }
    let (_folder, page) = written(&study);
    assert!(page.contains("No perplexities were measured.") && !page.contains("<svg"));
}

#[test]
fn extreme_numbers_are_drawn_or_left_out() {
    let mut study = study();
    study.runs[1].perplexities[0].value = 1e300;
    study.runs[2].perplexities[0].value = 0.0;
    study.runs[2].true_bits = Some(1e-9);
    study.runs[0].parameters = u64::MAX;
    study.runs[0].memory.weights = Some(u64::MAX);
    study.runs[1].memory.kv = Some(0);
    study.runs[1].speeds[0].decode = vec![1e-300, 1e300];
    let (folder, page) = written(&study);
    let figure = |page: &str| page.contains("inf") || page.contains("NaN");
    for file in std::fs::read_dir(folder.path().join("figures")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let points: Vec<&str> = attributes(&text, " points=\"");
        assert!(!points.iter().any(|points| figure(points)), "{}", path.display());
    }
    assert!(page.contains("One run is not drawn") || page.contains("runs are not drawn"));
}

#[test]
fn numbers_outside_their_range_are_named() {
    let text = std::fs::read_to_string(fixture("study.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.json");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        StudyResult::read(&path).unwrap_err().to_string()
    };
    assert!(read("").contains("line 1"), "empty");
    assert!(read(&text[..text.len() / 2]).contains("line 1"), "half");
    assert!(read(&text.replacen("\"schema\": 1", "\"schema\": 9", 1)).contains("schema: expected 1, found 9"));
    assert!(read(&text.replacen("\"scale\": 1", "\"scale\": 0", 1)).contains("runs[0].scores[0].scale"));
    assert!(read(&text.replacen("\"true_bits\": 16.0", "\"true_bits\": -1", 1)).contains("runs[0].true_bits"));
    assert!(read(&text.replacen("\"share\": 0.001", "\"share\": 1.5", 1)).contains("runs[1].outliers.share"));
    assert!(read(&text.replacen("\"items\": [", "\"items\": [1, ", 1)).contains("120, one for each document"));
    let mut study = study();
    study.runs[0].scores[0].value = f64::NAN;
    let error = report::write(&study, folder.path()).unwrap_err().to_string();
    assert!(error.contains("runs[0].scores[0].value: expected a number, found NaN"), "{error}");
}

#[test]
fn what_is_unfinished_or_failed_comes_first() {
    let mut study = study();
    let (_folder, page) = written(&study);
    assert!(
        !page.contains("Not finished") && !page.contains("Not measured:") && !page.contains("could not be measured")
    );
    study.missing = vec!["Made-up 4B gptq-2".to_owned(), "Made-up 4B spqr-2".to_owned()];
    study.failures = vec![NamedValue { name: "Made-up 1B gptq-3".to_owned(), value: "out of memory".to_owned() }];
    let (folder, page) = written(&study);
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    let missing = at("Not finished: still to be measured are Made-up 4B gptq-2, Made-up 4B spqr-2.");
    let note = at("Every number here is made up");
    let failed = at("Not measured: Made-up 1B gptq-3 (out of memory).");
    assert!(missing < note && note < failed && failed < at("<section"));
    assert!(page.contains("1 form could not be measured."));
    assert_eq!(StudyResult::read(&folder.path().join("study.json")).unwrap().missing.len(), 2);
}

#[test]
fn heads_say_how_much_was_measured() {
    let mut study = study();
    let (_folder, page) = written(&study);
    assert!(page.contains("MMLU, acc (lmh, 5 shot; 120 documents)"));
    assert!(page.contains("PTB (windows, 2,048): 12 windows, 24,564 tokens scored"));
    let score = &mut study.runs[1].scores[0];
    score.items.truncate(100);
    score.documents = 100;
    assert!(written(&study).1.contains("MMLU, acc (lmh, 5 shot; 100 to 120 documents)"));
}

#[test]
fn numbers_lead_to_their_files() {
    let (_folder, page) = written(&study());
    for file in ["memory.json", "speed.json", "WikiText2-kl.json", "quantize_report.json"] {
        assert!(page.contains(&format!("<a href=\"samples/Made-up_1B/int88/{file}\">")), "{file}");
    }
    assert!(page.contains("the scores of the sets, folded below, link to their documents"));
}

#[test]
fn marks_and_words_mean_one_thing() {
    let (_folder, page) = written(&study());
    assert!(page.contains("<abbr class=\"worse\" title=\"significantly higher than 16 bits\">▼</abbr>"));
    assert!(!page.contains("class=\"worse\" title=\"significantly higher than 16 bits\">▲"));
    for pair in page.split("<abbr class=\"").skip(1) {
        assert_eq!(pair.starts_with("worse"), pair.split('>').nth(1).unwrap().starts_with('▼'));
    }
    assert!(page.contains("Below 10 windows there is no test"));
    let meaning = "quantized weight (embeddings, output matrix and norms stay in 16 bits and are not counted)";
    assert_eq!(page.matches(meaning).count(), 1);
    assert!(page.contains("true bits per quantized weight</text>"));
    for word in ["BF16", "LLM.int8()", "GPTQ", "SpQR", "true bits", "collapsed", "path", "profile"] {
        assert!(page.contains(&format!("<dt>{word}</dt>")), "{word}");
    }
    assert!(!page.contains("<dt>RTN</dt>"), "no run has this method");
    assert!(page.contains("all but 1 without a finite perplexity"));
}

#[test]
fn an_unknown_method_goes_by_its_name() {
    let mut study = study();
    study.runs[1].method = "int9".to_owned();
    assert!(written(&study).1.contains("<th scope=\"row\">int9 8 bit</th>"));
}

#[test]
fn the_fastest_is_named_only_where_all_can_be_compared() {
    let mut study = study();
    let (_folder, page) = written(&study);
    assert!(
        page.contains("8 of 9 quantized runs with a speed are steady, 1 left out")
            && !page.contains("Fastest decoding of")
    );
    study.runs.retain(|run| run.model == "Made-up 1B");
    assert!(written(&study).1.contains("Fastest decoding of the 5 quantized runs with a speed: Made-up 1B GPTQ 2 bit"));
    study.runs.truncate(2);
    assert!(!written(&study).1.contains("Fastest decoding of"));
}
