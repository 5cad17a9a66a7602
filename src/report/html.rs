//! A small writer of HTML. Every element is closed, so that the page is well-formed XML too.

use super::number::MISSING;

/// Text as text, wherever it stands.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no other control characters, not even escaped.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `text` as a link to a file of the report's folder, or as it is where `path` leads elsewhere. The text is HTML.
pub fn link(path: Option<&str>, text: &str) -> String {
    let inside = |path: &str| {
        !path.is_empty() && !path.starts_with('/') && !path.contains([':', '\\']) && path.split('/').all(|p| p != "..")
    };
    match path.filter(|path| inside(path)) {
        Some(path) => format!("<a href=\"{}\">{text}</a>", encoded(path)),
        None => text.to_owned(),
    }
}

/// A path as a URL has it.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A cell: HTML, and whether it is a number.
pub struct Cell {
    html: String,
    class: &'static str,
}

impl Cell {
    /// Words.
    pub fn text(text: &str) -> Cell {
        Cell { html: escape(text), class: "" }
    }

    /// A number's text; what is missing looks it.
    pub fn number(text: &str) -> Cell {
        Cell { html: escape(text), class: if text == MISSING { "missing" } else { "number" } }
    }

    /// A number made of HTML.
    pub fn html(html: String) -> Cell {
        Cell { html, class: "number" }
    }

    /// A number's text that leads to a file; what is missing leads nowhere.
    pub fn linked(path: Option<&str>, text: &str) -> Cell {
        if text == MISSING { Cell::missing() } else { Cell::html(link(path, &escape(text))) }
    }

    /// No number.
    pub fn missing() -> Cell {
        Cell::number(MISSING)
    }
}

/// A table that scrolls in a box of its own; the first cell of a row names it.
pub struct Table {
    caption: String,
    head: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new(caption: &str, head: &[&str]) -> Table {
        Table { caption: caption.to_owned(), head: head.iter().map(|&h| h.to_owned()).collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn html(&self) -> String {
        let caption = escape(&self.caption);
        let head: String = self.head.iter().map(|head| format!("<th scope=\"col\">{}</th>", escape(head))).collect();
        let rows = self.rows.iter().map(|row| {
            let cells = row.iter().enumerate().map(|(index, Cell { html, class })| match index {
                0 => format!("<th scope=\"row\">{html}</th>"),
                _ => format!("<td class=\"{class}\">{html}</td>"),
            });
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        });
        format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table>\n\
             <caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n</div>\n",
            rows.collect::<String>()
        )
    }
}

/// A paragraph of plain text.
pub fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// Something long, folded away.
pub fn folded(summary: &str, html: &str) -> String {
    format!("<details>\n<summary>{}</summary>\n{html}</details>\n", escape(summary))
}

/// A part of the page under a heading.
pub fn section(id: &str, title: &str, html: &str) -> String {
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{html}</section>\n", escape(title))
}

/// The whole page.
pub fn page(title: &str, parts: &[(&str, &str)], body: &str) -> String {
    let title = escape(title);
    let links: String =
        parts.iter().map(|(id, title)| format!("<li><a href=\"#{id}\">{}</a></li>", escape(title))).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n<style>\n{}{}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n<nav aria-label=\"Contents\"><ol>{links}</ol></nav>\n{body}</main>\n\
         </body>\n</html>\n",
        super::svg::STYLE,
        include_str!("page.css"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_the_folder() {
        assert_eq!(link(Some("samples/a b&c.jsonl"), "1"), "<a href=\"samples/a%20b%26c.jsonl\">1</a>");
        for path in ["javascript:alert(1)", "/etc/passwd", "../x", "a/../../x", "//host/x", "\\\\host", ""] {
            assert_eq!(link(Some(path), "1"), "1", "{path}");
        }
        assert_eq!(link(None, "1"), "1");
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<a b=\"c\" d='e'>&\u{1}"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}");
    }
}
