//! BLEU, chrF, ROUGE and its stemmer.

use qwgpu::metrics::bleu::{Bleu, BleuTokenizer};
use qwgpu::metrics::chrf::Chrf;
use qwgpu::metrics::porter;
use qwgpu::metrics::rouge::{Rouge, RougeTokens};
use serde_json::Value;

use super::{array, close, float, floats, golden, text, texts};

fn bleu(settings: &Value) -> Bleu<'static> {
    let pieces = |line: &str| {
        let characters: Vec<char> = line.chars().collect();
        characters.chunks(2).map(String::from_iter).collect::<Vec<_>>().join(" ")
    };
    let tokenizer = match settings["tokenize"].as_str() {
        None | Some("13a") => BleuTokenizer::V13a,
        Some("intl") => BleuTokenizer::International,
        Some("zh") => BleuTokenizer::Chinese,
        Some("char") => BleuTokenizer::Characters,
        Some("flores200") => BleuTokenizer::Pieces(Box::leak(Box::new(pieces))),
        other => panic!("{other:?}"),
    };
    Bleu { tokenizer }
}

/// sacreBLEU's signature of the settings that [`Bleu`] has: goldens of others would be of another measure.
fn bleu_signature(references: &str, tokenizer: &str) -> String {
    format!("nrefs:{references}|case:mixed|eff:no|tok:{tokenizer}|smooth:exp|version:2.6.0")
}

/// The same of [`Chrf`], with n-grams of up to so many words.
fn chrf_signature(references: &str, words: usize) -> String {
    format!("nrefs:{references}|case:mixed|eff:yes|nc:6|nw:{words}|space:no|version:2.6.0")
}

#[test]
fn bleu_is_that_of_sacrebleu() {
    let golden = golden("translation");
    for expected in array(&golden["bleu"]) {
        let bleu = bleu(&expected["settings"]);
        let mut corpus = Vec::new();
        for (case, score) in array(&golden["cases"]).iter().zip(array(&expected["sentences"])) {
            let case = texts(case);
            let counts = bleu.counts(case[0], &case[1..]);
            close(bleu.score(&counts), float(score), &format!("{case:?}, {}", expected["settings"]));
            corpus.push(counts);
        }
        close(bleu.score(&corpus.into_iter().sum()), float(&expected["corpus"]), "corpus");
        let tokenizer = expected["settings"]["tokenize"].as_str().unwrap_or("13a");
        assert_eq!(text(&expected["signature"]), bleu_signature("var", tokenizer));
    }
    assert_eq!(text(&golden["one_reference"][0]), bleu_signature("1", "13a"));
}

#[test]
fn bleu_without_references_is_0() {
    let bleu = Bleu::default();
    let counts = bleu.counts("a text", &[] as &[&str]);
    assert_eq!((counts.length, counts.reference_length, bleu.score(&counts)), (2, 0, 0.0));
    assert_eq!(bleu.score(&[].into_iter().sum()), 0.0);
}

#[test]
fn chrf_is_that_of_sacrebleu() {
    let golden = golden("translation");
    for expected in array(&golden["chrf"]) {
        let settings = &expected["settings"];
        let chrf = Chrf { words: settings["word_order"] == 2 };
        let mut corpus = Vec::new();
        for (case, score) in array(&golden["cases"]).iter().zip(array(&expected["sentences"])) {
            let case = texts(case);
            let counts = chrf.counts(case[0], &case[1..]);
            close(chrf.score(&counts), float(score), &format!("{case:?}, {settings}"));
            corpus.push(counts);
        }
        close(chrf.score(&corpus.into_iter().sum()), float(&expected["corpus"]), "corpus");
        assert_eq!(text(&expected["signature"]), chrf_signature("var", if chrf.words { 2 } else { 0 }));
    }
    assert_eq!(text(&golden["one_reference"][1]), chrf_signature("1", 0));
    assert_eq!(Chrf::default().score(&Chrf::default().counts("a text", &[] as &[&str])), 0.0);
}

/// Numbers that are written here, so that fixtures made again cannot move them.
#[test]
fn published_examples() {
    let pairs = [
        ("The cat sat on the mat.", "The cat is sitting on the mat."),
        ("It costs $1,234.50 -- really?", "It costs $1,234.50, really?"),
    ];
    let bleu = Bleu::default();
    let counts = pairs.map(|(hypothesis, reference)| bleu.counts(hypothesis, &[reference]));
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
    near(bleu.score(&counts[0]), 42.3837);
    near(bleu.score(&counts[1]), 48.8923);
    near(bleu.score(&counts.into_iter().sum()), 45.521803);
    for (words, expected) in [(false, 66.484871), (true, 64.881684)] {
        let chrf = Chrf { words };
        near(
            chrf.score(&pairs.iter().map(|(hypothesis, reference)| chrf.counts(hypothesis, &[reference])).sum()),
            expected,
        );
    }
    let chinese = ("他去了北京大学学习物理。", "他在北京大学学习物理学。");
    for (tokenizer, expected) in [(BleuTokenizer::Chinese, 64.8412), (BleuTokenizer::V13a, 0.0)] {
        let bleu = Bleu { tokenizer };
        near(bleu.score(&bleu.counts(chinese.0, &[chinese.1])), expected);
    }
}

#[test]
fn rouge_is_that_of_rouge_score() {
    let golden = golden("summaries");
    for (tokens, name) in [(RougeTokens::Words, "words"), (RougeTokens::Stems, "stems")] {
        for (pair, expected) in array(&golden["pairs"]).iter().zip(array(&golden[name])) {
            let pair = texts(pair);
            let Rouge { one, two, longest, summary } = Rouge::of(pair[1], pair[0], tokens);
            for (kind, expected) in [one, two, longest, summary].iter().zip(array(expected)) {
                let expected = floats(expected);
                let found = [kind.precision, kind.recall, kind.f];
                found.iter().zip(expected).for_each(|(found, expected)| {
                    assert!((found - expected).abs() < 1e-14, "{pair:?}, {name}: {found}, expected {expected}");
                });
            }
        }
    }
}

#[test]
fn chinese_has_no_words_for_rouge() {
    let one = "他在北京大学学习物理。";
    for tokens in [RougeTokens::Words, RougeTokens::Stems] {
        assert_eq!(Rouge::of(one, one, tokens), Rouge::default());
    }
}

#[test]
fn stems_are_those_of_nltk() {
    let golden = golden("stems");
    assert!(array(&golden).len() > 1000);
    for pair in texts(&golden) {
        let (word, stem) = pair.split_once(' ').unwrap();
        assert_eq!(porter::stem(word), stem, "{word}");
    }
}

#[test]
fn stemming_any_string_ends() {
    for word in ["", "s", "ies", "naïve", "größe", "物理", "eed", "\u{301}ing", "a\u{5000}ing"] {
        porter::stem(word);
    }
    assert!(porter::stem(&"y".repeat(100_000)).len() >= 99_999);
}
