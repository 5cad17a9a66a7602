//! A small writer of SVG. Colours are classes; figure.css has them for light and dark pages.

use std::fmt::Write;

use super::html::escape;

/// Style sheet of figures, alone and in the page.
pub const STYLE: &str = include_str!("figure.css");

/// Width of a figure in its own units, so that text keeps a readable size on a phone.
pub const WIDTH: f64 = 360.0;

/// Mean width of a character of the axis text, for what may overlap.
pub const CHARACTER: f64 = 6.1;

/// Shape and colour of a series, told apart without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of the shape and of the colour class.
    pub shape: usize,
    pub hollow: bool,
}

/// Shapes there are.
pub const SHAPES: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// Text of a figure, grown line by line.
pub struct Svg {
    height: f64,
    body: String,
}

impl Svg {
    pub fn new(height: f64) -> Svg {
        Svg { height, body: String::new() }
    }

    fn push(&mut self, line: std::fmt::Arguments<'_>) {
        self.body.write_fmt(line).expect("a string takes all");
        self.body.push('\n');
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.push(format_args!(r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#));
    }

    pub fn rect(&mut self, class: &str, corner: (f64, f64), size: (f64, f64), title: &str) {
        let ((x, y), (width, height)) = (corner, size);
        self.push(format_args!(
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}">{}</rect>"#,
            tooltip(title)
        ));
    }

    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.push(format_args!(r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#));
    }

    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.push(format_args!(r#"<polyline class="{class}" points="{}"/>"#, points.join(" ")));
    }

    /// A mark of a series, which says `title` when pointed at.
    pub fn mark(&mut self, mark: Mark, (x, y): (f64, f64), title: &str) {
        let corners: &[(f64, f64)] = match mark.shape % SHAPES {
            0 => &[],
            1 => &[(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)],
            2 => &[(0.0, -5.2), (4.8, 3.8), (-4.8, 3.8)],
            3 => &[(0.0, -5.6), (5.6, 0.0), (0.0, 5.6), (-5.6, 0.0)],
            4 => &[(0.0, 5.2), (4.8, -3.8), (-4.8, -3.8)],
            _ => &[(0.0, -5.4), (5.1, -1.7), (3.2, 4.4), (-3.2, 4.4), (-5.1, -1.7)],
        };
        let class = format!("mark c{}{}", mark.shape % SHAPES, if mark.hollow { " hollow" } else { "" });
        let tip = tooltip(title);
        if corners.is_empty() {
            self.push(format_args!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="4.4">{tip}</circle>"#));
        } else {
            let points: Vec<String> = corners.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy)).collect();
            self.push(format_args!(r#"<polygon class="{class}" points="{}">{tip}</polygon>"#, points.join(" ")));
        }
    }

    /// The figure as an element. `slug` makes its ids unique in a page.
    pub fn finish(self, slug: &str, title: &str, description: &str) -> String {
        let (title, description, height) = (escape(title), escape(description), self.height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
             aria-labelledby=\"{slug}-title {slug}-desc\">\n<title id=\"{slug}-title\">{title}</title>\n\
             <desc id=\"{slug}-desc\">{description}</desc>\n{}</svg>\n",
            self.body
        )
    }
}

fn tooltip(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) }
}

/// A figure as a file of its own.
pub fn document(figure: &str) -> String {
    let style = format!("<style>\n{STYLE}svg.figure {{ background: var(--paper); }}\n</style>\n");
    let end_of_tag = figure.find('>').map_or(0, |at| at + 1);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n{style}{}",
        &figure[..end_of_tag],
        &figure[end_of_tag..].trim_start()
    )
}

/// `text` cut to about so many units of width.
pub fn fit(text: &str, width: f64) -> String {
    let room = (width / CHARACTER).max(1.0) as usize;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(room.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A heading in one line or, where that is too long, in two: what stands before its first `: `, and the rest.
pub fn heading(title: &str) -> Vec<String> {
    // Bold letters are wider.
    let room = WIDTH / 1.12;
    let parts = match title.split_once(": ") {
        Some((first, rest)) if width(title) > room => vec![first, rest],
        _ => vec![title],
    };
    parts.into_iter().map(|part| fit(part, room)).collect()
}

/// Width that `text` takes, about.
pub fn width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii() { CHARACTER } else { 2.0 * CHARACTER }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_headings_take_two_lines() {
        assert_eq!(heading("GSM8K: exact_match"), ["GSM8K: exact_match"]);
        let long = "qwen2.5-coder-0.5b-instruct-q4_k_m: perplexity, WikiText2";
        assert_eq!(heading(long), ["qwen2.5-coder-0.5b-instruct-q4_k_m", "perplexity, WikiText2"]);
        assert!(heading(&"a".repeat(99))[0].ends_with('…'));
    }
}
