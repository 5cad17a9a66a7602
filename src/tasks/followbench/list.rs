//! Lists of words as Python writes them, read as text: nothing a model or a file wrote is ever run.

/// Returns the elements of `['YES', "NO", NO]`: in quotes of any kind, without a backslash, or bare. A comma may stand
/// behind the last. Nothing where the text is no such list.
pub(super) fn parse(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let end = match rest.chars().next() {
            Some('\'') => '\'',
            Some('"') => '"',
            Some('“' | '”') => '”',
            _ => ',',
        };
        if end == ',' {
            let (element, behind) = rest.split_once(',').unwrap_or((rest, ""));
            let bare = element.trim();
            if bare.is_empty() || !bare.chars().all(|c| c.is_ascii_alphabetic() || c == '/') {
                return None;
            }
            elements.push(bare.to_owned());
            rest = behind.trim();
            continue;
        }
        let quoted = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
        let close = quoted.find(|c| c == end || (end == '”' && c == '“'))?;
        if quoted[..close].contains('\\') {
            return None;
        }
        elements.push(quoted[..close].to_owned());
        let mut behind = quoted[close..].chars();
        behind.next();
        rest = behind.as_str().trim();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim();
        }
    }
    Some(elements)
}
