//! `qwgpu ppl --protocol word` on a bundled model, against sums by hand.

use qwgpu::eval::word_perplexity::{detokenized, pages, windows, words};
use qwgpu::generate::{DeviceChoice, Spec, load};

use crate::command::{ended, ends, json, qwgpu, stderr};
use crate::micro;

const PREFIX: u32 = 256;

#[test]
fn pages_are_predicted_whole() {
    let model = micro::folder();
    let short = " = A fox = \n \n The fox is @-@ well , red . ";
    let long = format!(" = A hen = \n \n{} ", " The hen sleeps in the barn .".repeat(22));
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("wiki.raw");
    std::fs::write(&text, format!("{short}\n{long}\n = Left out = \n")).unwrap();
    let arguments = ["ppl", "--protocol", "word", "--path", "cpu", "--pages", "2", "--prefix-token", "256", "--json"];
    let mut command = qwgpu(arguments);
    let output = command.arg("--model").arg(&model).arg("--text").arg(&text).output().unwrap();
    let found = json(&ended(0, output));

    let spec = Spec::files(model);
    let mut loaded = load(&spec, &DeviceChoice::cpu(), None, &mut ()).unwrap();
    let most = loaded.engine.context() - 1;
    let (mut sum, mut tokens) = (0.0, 0);
    for page in [short, &long] {
        let ids = loaded.tokenizer().unwrap().encode(&detokenized(page)).unwrap();
        tokens += ids.len();
        let mut nll = |inputs: &[u32], targets: &[u32]| -> Vec<f64> {
            loaded.engine.truncate(0);
            loaded.engine.nll(inputs, targets).unwrap().into_iter().map(f64::from).collect()
        };
        let first = ids.len().min(most);
        let begun = [&[PREFIX], &ids[..first - 1]].concat();
        sum += nll(&begun, &ids[..first]).iter().sum::<f64>();
        if first < ids.len() {
            // As far back as there is room, of which the last tokens are new.
            let from = ids.len() - most;
            sum += nll(&ids[from - 1..ids.len() - 1], &ids[from..])[first - from..].iter().sum::<f64>();
        }
    }
    assert!(tokens > most, "the second page takes two windows");
    let words = (short.split_whitespace().count() + long.split_whitespace().count() + 4) as f64;
    assert_eq!((found["pages"].as_u64(), found["tokens"].as_u64()), (Some(2), Some(tokens as u64)));
    assert_eq!(found["words"].as_f64(), Some(words), "both ends of a page count");
    let (expected, value) = ((sum / words).exp(), found["word_perplexity"].as_f64().unwrap());
    assert!((value / expected - 1.0).abs() < 1e-5, "{value} {expected}");
}

#[test]
fn a_prefix_that_is_no_token_is_refused() {
    let model = micro::folder();
    let arguments = ["ppl", "--protocol", "word", "--path", "cpu", "--prefix-token", "70000", "--text", "Cargo.toml"];
    let mut command = qwgpu(arguments);
    let error = stderr(&ended(2, command.arg("--model").arg(&model).output().unwrap()));
    assert!(error.contains("--prefix-token") && error.contains("70000"), "{error}");
    let error = stderr(&ends(2, ["ppl", "--model", "x", "--text", "y", "--protocol", "word"]));
    assert!(error.contains("--prefix-token"), "{error}");
}

#[test]
fn pages_begin_with_headings_of_the_first_level() {
    let text = " \n = A b = \n \n one \n = = Part = = \n two \n = C = \n three \n";
    assert_eq!(pages(text), [" = A b = \n \n one \n = = Part = = \n two ", " = C = \n three \n"]);
    assert_eq!(pages("no heading"), ["no heading"]);
}

#[test]
fn words_are_counted_with_empty_ends() {
    assert_eq!((words("a b"), words(" a b\n"), words("")), (2, 4, 1));
}

#[test]
fn spaces_are_mended_in_order() {
    let page = " = = Part = = \n He said : \" well @-@ known \" ( or 1 @,@ 000 ) , the dogs ' 's N end .";
    // As the harness's own function gives it.
    assert_eq!(detokenized(page), " == Part ==\nHe said: \"well-known\" (or 1,000), the dogs''s 1 end .");
}

#[test]
fn windows_follow_each_other_and_the_last_is_filled_up() {
    let ids: Vec<u32> = (1..=10).collect();
    let parts: Vec<(Vec<u32>, Vec<u32>)> =
        windows(&ids, 99, 4).into_iter().map(|mut w| (w.ids, w.answers.remove(0))).collect();
    let expected = [(vec![99], vec![1, 2, 3, 4]), (vec![4], vec![5, 6, 7, 8]), (vec![6, 7, 8], vec![9, 10])];
    assert_eq!(parts, expected);
}
