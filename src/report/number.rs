//! Numbers as readers see them, and infinity and NaN in JSON.

/// Text in place of a number that was not measured.
pub(super) const MISSING: &str = "not measured";

/// Returns the text of a number, or [`MISSING`].
pub(super) fn or_missing<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| MISSING.to_owned(), text)
}

/// Returns the name of infinity and NaN.
fn odd(value: f64) -> Option<String> {
    match value {
        value if value.is_nan() => Some("NaN".to_owned()),
        value if value.is_infinite() => Some(if value > 0.0 { "∞" } else { "−∞" }.to_owned()),
        _ => None,
    }
}

/// Returns a number with this many decimals, a true minus sign, and commas between thousands: -1234.5 as `−1,234.5`.
pub fn fixed(value: f64, decimals: usize) -> String {
    if let Some(odd) = odd(value) {
        return odd;
    }
    if value.abs() >= 1e15 {
        return format!("{value:.2e}").replace('-', "−");
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let digits: Vec<char> = whole.chars().collect();
    let groups: Vec<String> = digits.rchunks(3).rev().map(|group| group.iter().collect()).collect();
    let zero = text.chars().all(|c| c == '0' || c == '.');
    format!("{}{}{rest}", if value < 0.0 && !zero { "−" } else { "" }, groups.join(","))
}

/// Returns [`fixed`] with a sign even above 0.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    if text.starts_with('−') || value.is_nan() { text } else { format!("+{text}") }
}

/// Returns a number with four significant digits: 8.123, 12.35, 1,235.
pub fn perplexity(value: f64) -> String {
    let decimals = match value {
        value if value < 10.0 => 3,
        value if value < 100.0 => 2,
        value if value < 1000.0 => 1,
        _ => 0,
    };
    fixed(value, decimals)
}

/// Returns a share from 0 to 1 as per cent.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    let decimals = match value.abs() {
        size if size >= 10.0 => 1,
        size if size >= 0.1 || size == 0.0 => 2,
        _ => 4,
    };
    fixed(value, decimals) + " %"
}

/// Returns bytes in units of powers of 1000.
pub fn bytes(bytes: u64) -> String {
    let steps = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match steps.iter().find(|(step, _)| bytes as f64 >= *step) {
        Some((step, unit)) => format!("{} {unit}", fixed(bytes as f64 / step, 2)),
        None => format!("{bytes} B"),
    }
}

/// Returns a short count: 494M, 7.6B.
pub(super) fn parameters(count: u64) -> String {
    match count as f64 {
        count if count >= 1e9 => format!("{}B", fixed(count / 1e9, 1)),
        count if count >= 1e6 => format!("{}M", fixed(count / 1e6, 0)),
        _ => fixed(count as f64, 0),
    }
}

/// Returns `0.013`, or `< 0.001`.
pub fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { fixed(p, 3) }
}

/// Returns the least and the greatest of `values`: NaN twice if one of them is NaN, None without values.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.map(|value| (value, value)).reduce(|(low, high), (value, _)| {
        let or = |wins: bool, other: f64| if wins || value.is_nan() { value } else { other };
        (or(value < low, low), or(value > high, high))
    })
}

/// Any f64 in JSON: a number, or the text `NaN`, `inf` or `-inf`.
pub(super) mod any {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::{Number, Value};

    pub(super) fn to_json(value: f64) -> Value {
        Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
    }

    pub(super) fn from_json<E: Error>(value: &Value) -> Result<f64, E> {
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or_else(|| E::custom(format!("{value} is no number; write NaN, inf or -inf")))
    }

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        to_json(*value).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        from_json(&Value::deserialize(deserializer)?)
    }
}

/// List of [`any`].
pub(super) mod any_list {
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Value;

    use super::any::{from_json, to_json};

    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| to_json(*value)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        Vec::<Value>::deserialize(deserializer)?.iter().map(from_json).collect()
    }
}
