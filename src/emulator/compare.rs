//! Counters of two versions of a shader beside each other.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::lab::ShaderProfile;

/// A case under two versions of its shaders.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileChange {
    /// Counters of the first version.
    pub before: ShaderProfile,
    /// Counters of the second version.
    pub after: ShaderProfile,
}

impl ProfileChange {
    /// Returns the cases that both versions ran.
    pub fn pairs(before: Vec<ShaderProfile>, after: Vec<ShaderProfile>) -> Vec<ProfileChange> {
        let key = |p: &ShaderProfile| (p.kernel, p.variant, p.case, p.subgroup);
        let mut pairs = Vec::new();
        for before in before {
            if let Some(after) = after.iter().find(|after| key(after) == key(&before)) {
                pairs.push(ProfileChange { before, after: after.clone() });
            }
        }
        pairs
    }
}

/// Returns the counters of a profile by their names in JSON; those within another have its name before theirs.
fn counters(prefix: &str, value: &Value) -> Vec<(String, f64)> {
    let Value::Object(fields) = value else { return Vec::new() };
    let named = fields.iter().filter(|(name, _)| *name != "subgroup");
    named
        .flat_map(|(name, value)| match value.as_f64() {
            Some(number) => vec![(format!("{prefix}{name}"), number)],
            None => counters(&format!("{name}."), value),
        })
        .collect()
}

impl fmt::Display for ProfileChange {
    /// Writes a line for each counter that differs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShaderProfile { kernel, variant, case, subgroup, .. } = self.before;
        let name = format!("{kernel}/{variant}/{case} x{subgroup}");
        writeln!(f, "{name:<44} {:>12} {:>12} {:>9}", "before", "after", "change")?;
        let [before, after] = [&self.before, &self.after].map(|p| counters("", &serde_json::json!(p)));
        // A version may lack loads or stores of a width that the other has.
        let of = |list: &[(String, f64)], name: &str| list.iter().find(|(n, _)| n == name).map_or(0.0, |(_, v)| *v);
        let new = after.iter().filter(|(name, _)| !before.iter().any(|(known, _)| known == name));
        let (mut equal, number) = (0, |n: f64| format!("{:.*}", if n.fract() == 0.0 { 0 } else { 2 }, n));
        for name in before.iter().chain(new).map(|(name, _)| name) {
            let (before, after) = (of(&before, name), of(&after, name));
            if before == after {
                equal += 1;
                continue;
            }
            let change =
                if before == 0.0 { String::new() } else { format!("{:+.1} %", (after / before - 1.0) * 100.0) };
            let line = format!("  {name:<42} {:>12} {:>12} {change:>9}", number(before), number(after));
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "  {equal} counters are equal")
    }
}
