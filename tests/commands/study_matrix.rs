//! The forms and texts of a study.

use std::path::Path;

use qwgpu::formats::{METHODS, Method};
use qwgpu::report::data::Purpose;
use qwgpu::study::texts::{StudyText, TEXTS};
use qwgpu::study::{Matrix, ModelForm};

use crate::files::put;

fn names(matrix: Matrix) -> Vec<String> {
    matrix.forms().unwrap().into_iter().map(|form| form.name).collect()
}

#[test]
fn every_method_has_a_form_at_each_of_its_widths() {
    let all = Matrix { methods: METHODS.to_vec(), ..Matrix::default() };
    let widths = |method: &&Method| -> Vec<String> {
        [8, 4, 3, 2].iter().filter(|b| method.bits.contains(b)).map(|b| format!("{}-{b}", method.name)).collect()
    };
    let mut plain = vec!["bf16".to_owned()];
    plain.extend(METHODS.iter().flat_map(widths));
    assert_eq!(names(all.clone()), plain);
    let with = names(Matrix { packed: true, ablation: true, equal_bits: true, ..all });
    assert_eq!(with[..2], ["bf16", "gguf"]);
    for method in METHODS {
        for (comparison, bits) in method.comparisons.iter().flat_map(|comparison| [(comparison, 2), (comparison, 3)]) {
            let name = format!("{}-{bits}-{}", method.name, comparison.name);
            assert!(with.contains(&name), "{name} in {with:?}");
        }
    }
    // A method of one width takes part whatever the widths are.
    let int8 = Matrix { methods: vec![Method::find("int8").unwrap()], bits: vec![3], ..Matrix::default() };
    assert_eq!(names(int8), ["bf16", "int8-8"]);
    let error = Matrix { bits: vec![5], ..Matrix::default() }.forms().unwrap_err().to_string();
    assert!(error.contains("expected some of 8, 4, 3, 2, found 5"), "{error}");
}

/// A method at the true bits of GPTQ with one more: 3 bits, scales and zeros of groups of 128.
#[test]
fn equal_bits_count_everything() {
    let matrix = Matrix { methods: METHODS.to_vec(), bits: vec![2], equal_bits: true, ..Matrix::default() };
    let mut equal: Vec<ModelForm> = matrix.forms().unwrap();
    equal.retain(|form| form.purpose == Purpose::EqualBits);
    assert!(!equal.is_empty());
    for form in equal {
        let bits = form.settings.unwrap().options.to_json()["bits_per_weight"].as_f64().unwrap();
        assert!((bits - 3.1484375).abs() < 1e-9, "{}: {bits}", form.name);
    }
}

#[test]
fn blank_rows_of_wikitext_are_empty_and_others_keep_their_end() {
    let data = tempfile::tempdir().unwrap();
    put(data.path(), "wikitext-2-raw/wiki.test.raw", " \n = A = \n \n b \n");
    assert_eq!(StudyText::named("wikitext2").unwrap().read(data.path()).unwrap(), "\n\n = A = \n\n\n\n\n b \n");
}

#[test]
fn a_missing_text_is_named() {
    let error = TEXTS[1].read(Path::new("/nowhere")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/ptb/ptb.test.txt"), "{error}");
    assert!(StudyText::named("other").is_err());
}
