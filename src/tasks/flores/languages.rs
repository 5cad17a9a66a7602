//! Languages of FLORES-200 by its codes, as prompts name them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::data::table;

/// All 204, named as the authors' README does or, those with many speakers, shorter. Santali has the code of the
/// archive's files; that README writes `sat_Beng`.
static NAMES: LazyLock<BTreeMap<&str, &str>> =
    LazyLock::new(|| table(include_str!("languages.tsv")).map(|[code, name]| (code, name)).collect());

/// Returns the name of a language in English.
pub(super) fn name(code: &str) -> Option<&'static str> {
    NAMES.get(code).copied()
}
