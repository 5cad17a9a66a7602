//! Drawings as SVG. Colours are CSS classes, which figure.css defines for light and dark pages, and text is selectable;
//! the plotting crates draw with fixed colours.

use maud::{Markup, PreEscaped, html};

/// Style sheet of figures, in their files and in the page.
pub(super) const STYLE: &str = include_str!("figure.css");

/// Width of a drawing in its own units, so that text keeps a readable size on a phone.
pub(super) const WIDTH: f64 = 360.0;

/// Mean width of a character of the axis text, to keep texts apart.
pub(super) const CHARACTER: f64 = 6.1;

/// Number of different marks.
pub(super) const SHAPES: usize = 6;

/// Shape and colour of a series. The shape alone tells series apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Number of the shape and of the colour class, modulo [`SHAPES`].
    pub shape: usize,
    pub hollow: bool,
}

/// Side of a text that its place belongs to.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Coordinates in a drawing: x to the right, y downwards.
pub(super) type Coordinates = (f64, f64);

/// Drawing that grows element by element.
#[derive(Default)]
pub(super) struct Svg {
    body: String,
}

fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

fn places(places: impl Iterator<Item = Coordinates>) -> String {
    places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

fn tooltip(title: &str) -> Markup {
    html! { @if !title.is_empty() { title { (title) } } }
}

impl Svg {
    fn push(&mut self, element: Markup) {
        self.body += &element.into_string();
        self.body.push('\n');
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): Coordinates, (x2, y2): Coordinates) {
        self.push(html! { line class=(class) x1=(tenths(x1)) y1=(tenths(y1)) x2=(tenths(x2)) y2=(tenths(y2)) {} });
    }

    pub(super) fn rect(&mut self, class: &str, (x, y): Coordinates, (width, height): (f64, f64), title: &str) {
        let [x, y, width, height] = [x, y, width, height].map(tenths);
        self.push(html! { rect class=(class) x=(x) y=(y) width=(width) height=(height) { (tooltip(title)) } });
    }

    pub(super) fn text(&mut self, class: &str, (x, y): Coordinates, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(html! { text class=(class) x=(tenths(x)) y=(tenths(y)) text-anchor=(anchor) { (text) } });
    }

    pub(super) fn path(&mut self, class: &str, corners: &[Coordinates]) {
        self.push(html! { polyline class=(class) points=(places(corners.iter().copied())) {} });
    }

    /// Adds a mark of a series. It shows `title` when pointed at.
    pub(super) fn mark(&mut self, mark: Mark, (x, y): Coordinates, title: &str) {
        let corners: &[Coordinates] = match mark.shape % SHAPES {
            0 => &[],
            1 => &[(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)],
            2 => &[(0.0, -5.2), (4.8, 3.8), (-4.8, 3.8)],
            3 => &[(0.0, -5.6), (5.6, 0.0), (0.0, 5.6), (-5.6, 0.0)],
            4 => &[(0.0, 5.2), (4.8, -3.8), (-4.8, -3.8)],
            _ => &[(0.0, -5.4), (5.1, -1.7), (3.2, 4.4), (-3.2, 4.4), (-5.1, -1.7)],
        };
        let class = format!("mark c{}{}", mark.shape % SHAPES, if mark.hollow { " hollow" } else { "" });
        let corners = places(corners.iter().map(|(dx, dy)| (x + dx, y + dy)));
        self.push(html! {
            @if corners.is_empty() {
                circle class=(class) cx=(tenths(x)) cy=(tenths(y)) r="4.4" { (tooltip(title)) }
            } @else {
                polygon class=(class) points=(corners) { (tooltip(title)) }
            }
        });
    }

    /// Ends the drawing. `description` tells a reader who does not see it what it shows.
    pub(super) fn finish(self, height: f64, title: &str, description: String) -> Drawing {
        Drawing { height, body: self.body, title: title.to_owned(), description }
    }
}

/// Finished drawing.
pub(super) struct Drawing {
    height: f64,
    body: String,
    title: String,
    description: String,
}

impl Drawing {
    /// Returns the drawing as a file.
    pub(super) fn file(&self, slug: &str) -> String {
        let style = format!("{STYLE}svg.figure {{ background: var(--paper); }}\n");
        let xml = PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        html! { (xml) (self.element(slug, &style)) }.into_string()
    }

    /// Returns the drawing as an element, where `slug` makes its ids unique. A page has a style of its own.
    pub(super) fn element(&self, slug: &str, style: &str) -> Markup {
        let (title, description) = (format!("{slug}-title"), format!("{slug}-desc"));
        html! {
            svg xmlns="http://www.w3.org/2000/svg" class="figure" viewBox=(format!("0 0 {WIDTH} {:.0}", self.height))
                role="img" aria-labelledby={ (title) " " (description) } {
                @if !style.is_empty() { style { (PreEscaped(style)) } }
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                (PreEscaped(&self.body))
            }
        }
    }
}

/// Returns `text` cut to about this width.
pub(super) fn fit(text: &str, width: f64) -> String {
    let room = (width / CHARACTER).max(1.0) as usize;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(room.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Returns a heading in one line. One that is too long is split after its first `: `.
pub(super) fn heading(title: &str) -> Vec<String> {
    // Bold letters are wider.
    let room = WIDTH / 1.12;
    let parts = match title.split_once(": ") {
        Some((first, rest)) if width(title) > room => vec![first, rest],
        _ => vec![title],
    };
    parts.into_iter().map(|part| fit(part, room)).collect()
}

/// Returns the width of `text`, about.
pub(super) fn width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii() { CHARACTER } else { 2.0 * CHARACTER }).sum()
}
