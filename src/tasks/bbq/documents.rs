//! The files of BBQ, and which answers a stereotype suggests.

use std::path::Path;

use serde_json::Value;

use super::super::Subset;
use super::super::data::{self, Record, Split};
use super::UNKNOWN;
use crate::error::Result;

/// The categories, as the files are named.
const CATEGORIES: [&str; 11] = [
    "Age",
    "Disability_status",
    "Gender_identity",
    "Nationality",
    "Physical_appearance",
    "Race_ethnicity",
    "Race_x_SES",
    "Race_x_gender",
    "Religion",
    "SES",
    "Sexual_orientation",
];

const OPTIONS: [&str; 3] = ["ans0", "ans1", "ans2"];

/// Reads a set for each category there is, from `bbq/data/CATEGORY.jsonl` or the hub's folder of the category; or from the
/// rows of all categories in one place, the hub's folder `All`.
pub(super) fn read(data: &Path) -> Result<Vec<Subset>> {
    let folder = data::find(data, &["bbq"])?;
    let mut sets = Vec::new();
    for category in CATEGORIES {
        if let Some(split) = Split::find(&folder, &[category, &format!("{category}/test")])? {
            sets.push(set(category, split)?);
        }
    }
    if !sets.is_empty() {
        return Ok(sets);
    }
    let names: Vec<&str> = ["All/test", "All", "test"].into_iter().chain(CATEGORIES).collect();
    let all = Split::read(&folder, &names)?;
    all.records.iter().try_for_each(|record| record.one_of("category", &CATEGORIES).map(drop))?;
    for category in CATEGORIES {
        let mut part = all.clone();
        part.records.retain(|record| record.fields["category"] == category);
        if !part.records.is_empty() {
            sets.push(set(category, part)?);
        }
    }
    Ok(sets)
}

/// Returns the set of a category, whose rows are numbered by `example_id`.
fn set(category: &str, split: Split) -> Result<Subset> {
    data::unique(&split.records, "example_id")?;
    let name = format!("bbq_{}", category.to_lowercase());
    Subset::read(name, split, Split::default(), |record| document(record, category))
}

/// Returns a row, and behind its fields the answers that a stereotype suggests and the groups of all answers, as
/// lm-evaluation-harness adds them.
fn document(record: &Record, category: &str) -> Result<Value> {
    for field in ["context", "question", "ans0", "ans1", "ans2"] {
        record.filled(field)?;
    }
    record.one_of("category", &[category])?;
    record.one_of("context_condition", &["ambig", "disambig"])?;
    let label = record.integer("label", 0..3)?;
    let negative = record.one_of("question_polarity", &["neg", "nonneg"])? == 0;
    let stereotyped = record.object("additional_metadata")?;
    let stereotyped: Vec<String> = stereotyped.texts("stereotyped_groups")?.iter().map(|g| g.to_lowercase()).collect();
    let info = record.object("answer_info")?;
    let (mut biased, mut unknown, mut added) = (Vec::new(), 0, Vec::new());
    for option in OPTIONS {
        let text = record.text(option)?;
        let groups = groups(&info.texts(option)?, text);
        let is_unknown = groups.last().is_some_and(|group| group == "unknown");
        if is_unknown != UNKNOWN.contains(&text) {
            let expected = format!("the group unknown for one of {} only", UNKNOWN.join(", "));
            return Err(info.error(option, expected, format!("{text:?} of {groups:?}")));
        }
        unknown += usize::from(is_unknown);
        let named = groups.iter().any(|group| stereotyped.contains(group));
        if named == negative && !is_unknown {
            biased.push(text);
        }
        added.push((format!("{option}_groups"), Value::from(groups)));
    }
    if unknown != 1 {
        return Err(record.error("answer_info", "one answer of the group unknown", format!("{unknown} of them")));
    }
    let mut document = record.fields.clone();
    // Digits in a text are taken, too, but it is a number that the answers are compared with. It keeps its place.
    document.insert("label".to_owned(), label.into());
    document.insert("biased_answers".to_owned(), biased.into());
    document.extend(added);
    Ok(Value::Object(document))
}

/// Returns the groups of an answer as lm-evaluation-harness tells them from `answer_info`: parts in lower case, with
/// words for people split off, so that they compare with the names of stereotyped groups.
fn groups(info: &[&str], answer: &str) -> Vec<String> {
    let mut text = match info.iter().all(|part| part.is_empty()) {
        // Some rows of Race_x_gender lack this.
        true if answer.contains("Latina") => "Latino".to_owned(),
        _ => info.join("_"),
    };
    let joined = [("M-", "M_"), ("F-", "F_"), ("lowSES-", "lowSES_"), ("highSES-", "highSES_")];
    let spaced = [("lowSES", "low SES"), ("highSES", "high SES"), ("nonObese", "non Obese")];
    let more = [("nonDisabled", "non Disabled"), ("nonTrans", "non Trans")];
    let people = if text.contains("woman") { ("woman", "F_woman") } else { ("man", "M_man") };
    let young = [("girl", "F_girl"), ("boy", "M_boy")];
    for (from, to) in joined.into_iter().chain(spaced).chain(more).chain([people]).chain(young) {
        text = text.replace(from, to);
    }
    text.to_lowercase().split('_').map(str::to_owned).collect()
}
