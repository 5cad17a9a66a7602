//! `tojson` as `transformers` defines it: Python's `json.dumps` with `ensure_ascii=False`, and no HTML escapes.

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, Value};

use super::builtins::invalid;

struct Style {
    ascii: bool,
    /// One level of indentation; without it, all is on one line.
    indent: Option<String>,
    comma: String,
    colon: String,
    sort_keys: bool,
}

pub(super) fn tojson(value: Value, ensure_ascii: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let option = |name: &str| options.get::<Option<Value>>(name).ok().flatten();
    let truth = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let indent = match option("indent").filter(|indent| !indent.is_none()) {
        None => None,
        Some(indent) => match (indent.as_usize(), indent.as_str()) {
            (Some(width @ ..=64), _) => Some(" ".repeat(width)),
            (_, Some(text)) if text.len() <= 64 => Some(text.to_owned()),
            _ => return Err(invalid(format!("tojson cannot indent by {indent}"))),
        },
    };
    let (comma, colon) = match option("separators").filter(|separators| !separators.is_none()) {
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        Some(separators) => {
            let part = |at: usize| separators.get_item_by_index(at).map(|text| text.to_string());
            (part(0)?, part(1)?)
        }
    };
    let style = Style {
        ascii: truth(ensure_ascii.or_else(|| option("ensure_ascii"))),
        indent,
        comma,
        colon,
        sort_keys: truth(option("sort_keys")),
    };
    options.assert_all_used()?;
    let mut out = String::new();
    style.write(&mut out, &value, 0)?;
    Ok(Value::from(out))
}

impl Style {
    fn write(&self, out: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > 64 {
            return Err(invalid("tojson: values nest deeper than 64".to_owned()));
        }
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&number(value)),
            ValueKind::String => self.string(out, value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<_> = value.try_iter()?.collect();
                self.container(out, depth, "[]", &items, |out, item| self.write(out, item, depth + 1))?;
            }
            ValueKind::Map => {
                let mut pairs = Vec::new();
                for key in value.try_iter()? {
                    pairs.push((key_text(&key)?, value.get_item(&key)?));
                }
                if self.sort_keys {
                    pairs.sort_by(|a, b| a.0.cmp(&b.0));
                }
                self.container(out, depth, "{}", &pairs, |out, (key, item)| {
                    self.string(out, key);
                    out.push_str(&self.colon);
                    self.write(out, item, depth + 1)
                })?;
            }
            kind => return Err(invalid(format!("tojson: a value of type {kind} is not JSON"))),
        }
        Ok(())
    }

    fn container<T>(
        &self,
        out: &mut String,
        depth: usize,
        brackets: &str,
        items: &[T],
        mut write: impl FnMut(&mut String, &T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let line = |out: &mut String, depth: usize| {
            if let Some(indent) = self.indent.as_ref().filter(|_| !items.is_empty()) {
                out.push('\n');
                (0..depth).for_each(|_| out.push_str(indent));
            }
        };
        out.push_str(&brackets[..1]);
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push_str(&self.comma);
            }
            line(out, depth + 1);
            write(out, item)?;
        }
        line(out, depth);
        out.push_str(&brackets[1..]);
        Ok(())
    }

    fn string(&self, out: &mut String, text: &str) {
        out.push('"');
        for letter in text.chars() {
            match letter {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{C}' => out.push_str("\\f"),
                '\0'..='\u{1F}' => escape(out, letter),
                '\u{7F}'.. if self.ascii && letter != '\u{7F}' => escape(out, letter),
                _ => out.push(letter),
            }
        }
        out.push('"');
    }
}

fn escape(out: &mut String, letter: char) {
    for unit in letter.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

fn key_text(key: &Value) -> Result<String, Error> {
    Ok(match key.kind() {
        ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
        ValueKind::None => "null".to_owned(),
        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::Number => number(key),
        kind => return Err(invalid(format!("tojson: a key of type {kind} is not JSON"))),
    })
}

fn number(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(float) if !value.is_integer() => match float {
            _ if float.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "Infinity".to_owned(),
            f64::NEG_INFINITY => "-Infinity".to_owned(),
            _ => python_float(float),
        },
        _ => value.to_string(),
    }
}

/// Writes a finite number as Python's `repr` does: the shortest digits that read back, an exponent of two digits or
/// more outside of 1e-4 to 1e16.
pub(crate) fn python_float(value: f64) -> String {
    let text = format!("{value:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
    format!("{digits}e{sign}{size:0>2}")
}
