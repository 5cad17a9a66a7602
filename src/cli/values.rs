//! Values of arguments, for clap.

use std::ffi::OsString;

use crate::eval::Shard;
use crate::generate::MOST_PROPOSED;
use crate::plan::Needs;

/// Parses a whole number of one or more.
pub fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("expected a whole number from 1 to {}", usize::MAX))
}

/// Parses a number of tokens that are proposed at a time.
pub fn proposals(text: &str) -> Result<usize, String> {
    let allowed =
        || format!("expected a whole number of tokens from 1 to {MOST_PROPOSED}; leave it out to propose none");
    text.parse().ok().filter(|n| (1..=MOST_PROPOSED).contains(n)).ok_or_else(allowed)
}

/// Parses an argument as text.
pub fn utf8(text: OsString) -> Result<String, String> {
    let bytes = text.as_encoded_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(e) => {
            let at = e.valid_up_to();
            Err(format!("the byte 0x{:02X} at offset {at} is no UTF-8; give the text in UTF-8", bytes[at]))
        }
    }
}

/// Parses the name of an optional feature of an adapter.
pub fn feature(text: &str) -> Result<Needs, String> {
    let known = || Needs::all().iter_names().map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>().join(", ");
    Needs::from_name(&text.to_uppercase().replace('-', "_")).ok_or_else(|| format!("known features: {}", known()))
}

/// Parses a shard of the documents: 2/3 is the second of three.
pub fn shard(text: &str) -> Result<Shard, String> {
    let parse = || {
        let (index, count) = text.split_once('/')?;
        let (index, count): (usize, usize) = (index.parse().ok()?, count.parse().ok()?);
        (index >= 1 && index <= count).then(|| Shard { index: index - 1, count })
    };
    parse().ok_or_else(|| "expected I/N with I from 1 to N, such as 2/3".to_owned())
}

/// Parses the lengths of prompt and reply: 512/128.
pub fn lengths(text: &str) -> Result<(usize, usize), String> {
    let parts =
        text.split_once('/').and_then(|(prompt, generated)| Some((prompt.parse().ok()?, generated.parse().ok()?)));
    parts.ok_or_else(|| "expected P/G, such as 512/128".to_owned())
}
