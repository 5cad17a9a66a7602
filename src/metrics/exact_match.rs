//! Exact match of replies and right answers, and the filter that takes an answer out of a reply.

use fancy_regex::Regex;

use super::python;
use crate::error::Result;

/// lm-evaluation-harness's `exact_match`: both sides are equal after deleting what is ignored, in the order of the fields.
pub struct ExactMatch {
    ignore: Vec<Regex>,
    ignore_case: bool,
    ignore_punctuation: bool,
}

impl ExactMatch {
    /// Takes the patterns to ignore, and whether case and ASCII punctuation are ignored.
    ///
    /// # Errors
    /// A pattern is not valid.
    pub fn new(ignore: &[&str], ignore_case: bool, ignore_punctuation: bool) -> Result<ExactMatch> {
        let ignore = ignore.iter().map(|pattern| python::regex(pattern)).collect::<Result<_>>()?;
        Ok(ExactMatch { ignore, ignore_case, ignore_punctuation })
    }

    /// Returns whether `reply` equals `reference`.
    ///
    /// # Errors
    /// A search exceeds the limit of backtracking.
    pub fn matches(&self, reply: &str, reference: &str) -> Result<bool> {
        Ok(self.reduced(reply)? == self.reduced(reference)?)
    }

    fn reduced(&self, text: &str) -> Result<String> {
        let mut text = text.to_owned();
        for pattern in &self.ignore {
            text = pattern.try_replacen(&text, 0, "").map_err(python::match_error)?.into_owned();
        }
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            text.retain(|character| !character.is_ascii_punctuation());
        }
        // The harness keeps texts in numpy arrays, which lose NUL at the end.
        text.truncate(text.trim_end_matches('\0').len());
        Ok(text)
    }
}

/// `RegexFilter` of lm-evaluation-harness 0.4.13.
pub struct RegexFilter {
    pattern: Regex,
    group_select: isize,
    fallback: String,
}

impl RegexFilter {
    /// Takes the number of the match to select, from 0 on, or from -1 on backwards. Of a pattern with one group that
    /// group is taken, of one with several the first that is not empty. Without such a match it is `fallback`.
    ///
    /// # Errors
    /// The pattern is not valid.
    pub fn new(pattern: &str, group_select: isize, fallback: &str) -> Result<RegexFilter> {
        Ok(RegexFilter { pattern: python::regex(pattern)?, group_select, fallback: fallback.to_owned() })
    }

    /// Returns the answer in a reply, without white space around it. Where the number of the match is too large, the
    /// harness crashes; here it is the fallback.
    ///
    /// # Errors
    /// The search exceeds the limit of backtracking.
    pub fn apply(&self, reply: &str) -> Result<String> {
        let mut found = Vec::new();
        let mut start = 0;
        while start <= reply.len() {
            let Some(captures) = self.pattern.captures_from_pos(reply, start).map_err(python::match_error)? else {
                break;
            };
            let group = |index| captures.get(index).map_or("", |group| group.as_str());
            found.push(match captures.len() {
                1 => Some(group(0)),
                2 => Some(group(1)),
                groups => (1..groups).map(group).find(|text| !text.is_empty()),
            });
            let Some(whole) = captures.get(0) else { break };
            // As Python's findall: an empty match may follow another match, but not another empty one.
            let step = reply[whole.end()..].chars().next().map_or(1, char::len_utf8);
            start = if whole.end() == whole.start() { whole.end() + step } else { whole.end() };
        }
        let back = self.group_select.unsigned_abs();
        let index = if self.group_select < 0 { found.len().checked_sub(back) } else { Some(back) };
        let answer = index.and_then(|index| found.get(index).copied().flatten());
        Ok(python::strip(answer.unwrap_or(&self.fallback)).to_owned())
    }
}
