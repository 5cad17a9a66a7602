//! Elements that the parts of the page share.

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use super::data::RunResult;
use super::number::{self, MISSING};

/// Returns `text` as a link to a file in the report's folder. A path that leads elsewhere is no link.
pub(super) fn link(path: Option<&str>, text: &str) -> Markup {
    let inside = |path: &str| {
        !path.is_empty() && !path.starts_with('/') && !path.contains([':', '\\']) && path.split('/').all(|p| p != "..")
    };
    match path.filter(|path| inside(path)) {
        Some(path) => html! { a href=(encoded(path)) { (text) } },
        None => html! { (text) },
    }
}

/// Returns a path as part of a URL.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Returns a cell of words.
pub(super) fn words(text: &str) -> Markup {
    html! { td { (text) } }
}

/// Returns a cell with the text of a number. The text of a missing number is greyed out.
pub(super) fn number(text: &str) -> Markup {
    html! { td class=(if text == MISSING { "missing" } else { "number" }) { (text) } }
}

/// Returns a cell with a number, or a dash.
pub(super) fn number_or_dash(text: Option<String>) -> Markup {
    number(text.as_deref().unwrap_or("–"))
}

/// Returns a cell with a number and what belongs to it.
pub(super) fn cell(content: &Markup) -> Markup {
    html! { td.number { (content) } }
}

/// Returns a cell with the text of a number that links to a file. A missing number has no link.
pub(super) fn linked(path: Option<&str>, text: &str) -> Markup {
    if text == MISSING { number(text) } else { cell(&link(path, text)) }
}

/// Returns a cell with a run's true bits.
pub(super) fn true_bits(run: &RunResult) -> Markup {
    number(&number::or_missing(run.true_bits, |bits| number::fixed(bits, 2)))
}

/// Returns a row of a table: its name and its cells.
pub(super) fn row(name: &str, cells: impl IntoIterator<Item = Markup>) -> Markup {
    html! { tr { th scope="row" { (name) } @for cell in cells { (cell) } } }
}

/// Returns a table that scrolls inside the page. None: it has no rows.
pub(super) fn table(
    caption: &str,
    head: impl IntoIterator<Item = impl Render>,
    rows: impl IntoIterator<Item = Markup>,
) -> Option<Markup> {
    let rows: Vec<Markup> = rows.into_iter().collect();
    let table = html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for head in head { th scope="col" { (head) } } } }
                tbody { @for row in &rows { (row) } }
            }
        }
    };
    (!rows.is_empty()).then_some(table)
}

/// Returns figures side by side.
pub(super) fn grid(figures: &[Markup]) -> Markup {
    html! { @if !figures.is_empty() { div.figures { @for figure in figures { (figure) } } } }
}

/// Returns content that a reader unfolds.
pub(super) fn folded(summary: &str, content: &Markup) -> Markup {
    html! { details { summary { (summary) } (content) } }
}

/// Returns the whole page. A section has an id, which the contents link to, a title and its content.
pub(super) fn page(title: &str, before: &Markup, sections: &[(&str, &str, Markup)]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(super::svg::STYLE)) (PreEscaped(include_str!("page.css"))) }
            }
            body {
                main {
                    h1 { (title) }
                    nav aria-label="Contents" {
                        ol { @for (id, title, _) in sections { li { a href={ "#" (id) } { (title) } } } }
                    }
                    (before)
                    @for (id, title, content) in sections {
                        section id=(id) { h2 { (title) } (content) }
                    }
                }
            }
        }
    }
}

/// Returns `text` without the control characters that XML does not have, not even escaped.
pub(super) fn printable(text: &str) -> String {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect()
}
