//! Charts: points and lines over two axes, and bars with a label above each.

use super::axis::{Axis, AxisRange};
use super::number::extent;
use super::svg::{Anchor, CHARACTER, Coordinates, Drawing, Mark, Svg, WIDTH, fit, heading, width};

const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const PLOT: f64 = 200.0;
const LINE: f64 = 16.0;

/// Draws the heading, and the legend of `names`, whose marks `mark` draws, and returns where they end.
fn head(svg: &mut Svg, title: &str, names: &[&str], mark: impl Fn(&mut Svg, usize, Coordinates)) -> f64 {
    let (mut bottom, mut left) = (12.0, 0.0);
    for line in heading(title) {
        svg.text("strong", (0.0, bottom), Anchor::Start, &line);
        bottom += LINE;
    }
    bottom -= 6.0;
    for (number, name) in names.iter().enumerate() {
        let wide = 15.0 + width(name).min(WIDTH - 15.0);
        if left == 0.0 || left + wide > WIDTH {
            (left, bottom) = (0.0, bottom + LINE);
        }
        let middle = bottom - 12.0;
        mark(svg, number, (left, middle));
        svg.text("", (left + 15.0, middle + 4.0), Anchor::Start, &fit(name, WIDTH - left - 15.0));
        left += wide + 14.0;
    }
    bottom
}

/// Points over two axes.
pub(super) struct Chart {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    /// A level of y to compare with, and its name.
    pub level: Option<(f64, String)>,
    /// Corners of a line of steps, from left to right.
    pub steps: Vec<(f64, f64)>,
}

/// Points with one mark.
pub(super) struct Series {
    pub name: String,
    pub mark: Mark,
    /// True if a line joins the points, in their order.
    pub joined: bool,
    pub points: Vec<Point>,
}

/// Point of a chart.
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
    /// Text beside the point if there is room. It may be empty.
    pub label: String,
    /// Tooltip.
    pub title: String,
}

impl Chart {
    /// Returns a chart without a level and steps.
    pub(super) fn new(title: String, x: Axis, y: Axis, series: Vec<Series>) -> Chart {
        Chart { title, x, y, series, level: None, steps: Vec::new() }
    }

    /// Returns whether a point has a place in the chart.
    fn shows(&self, point: &Point) -> bool {
        self.x.shows(point.x) && self.y.shows(point.y)
    }

    /// Draws the chart and counts the points that have no place in it. None: no point has one.
    pub(super) fn draw(&self) -> Option<(Drawing, usize)> {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let shown = |point: &&Point| self.shows(point);
        let level = self.level.iter().map(|(y, _)| *y);
        let x = self.x.range(points().filter(shown).map(|point| point.x))?;
        let y = self.y.range(points().filter(shown).map(|point| point.y).chain(level))?;
        let series: Vec<&Series> = self.series.iter().filter(|s| s.points.iter().any(|p| shown(&p))).collect();

        let mut svg = Svg::default();
        let names: Vec<&str> = series.iter().map(|series| series.name.as_str()).collect();
        let mark = |svg: &mut Svg, number: usize, (left, middle)| {
            svg.mark(series[number].mark, (left + 6.0, middle), "");
        };
        let top = head(&mut svg, &self.title, &names, mark) + 8.0;
        let bottom = top + PLOT;
        let place = |px: f64, py: f64| (LEFT + x.place(px) * (WIDTH - LEFT - RIGHT), bottom - y.place(py) * PLOT);
        let mut labels = Labels { top, bottom, taken: Vec::new() };
        self.axes(&mut svg, (&x, &y), bottom);
        if let Some((level, _)) = &self.level {
            let at = bottom - y.place(*level) * PLOT;
            svg.line("baseline", (LEFT, at), (WIDTH - RIGHT, at));
        }
        if self.steps.len() > 1 {
            let corners =
                self.steps.windows(2).flat_map(|pair| [place(pair[1].0, pair[0].1), place(pair[1].0, pair[1].1)]);
            let first = place(self.steps[0].0, self.steps[0].1);
            let corners: Vec<_> = std::iter::once(first).chain(corners).collect();
            svg.path("frontier", &corners);
            corners.windows(2).for_each(|pair| labels.occupy(pair[0], pair[1], 1.0));
        }
        for series in &series {
            let placed: Vec<(Coordinates, &Point)> =
                series.points.iter().filter(shown).map(|point| (place(point.x, point.y), point)).collect();
            if series.joined && placed.len() > 1 {
                let class = format!("curve c{}", series.mark.shape % super::svg::SHAPES);
                svg.path(&class, &placed.iter().map(|(at, _)| *at).collect::<Vec<_>>());
            }
            // A line needs few marks to be known.
            let every = if series.joined { placed.len().div_ceil(8).max(1) } else { 1 };
            for (at, point) in placed.iter().step_by(every) {
                svg.mark(series.mark, *at, &point.title);
                labels.occupy(*at, *at, 5.5);
            }
        }
        for point in series.iter().flat_map(|series| &series.points).filter(shown) {
            let (x, y) = place(point.x, point.y);
            let beside = [((x + 8.0, y + 4.0), Anchor::Start), ((x, y - 9.0), Anchor::Middle)];
            let others = [((x - 8.0, y + 4.0), Anchor::End), ((x, y + 17.0), Anchor::Middle)];
            labels.write(&mut svg, &point.label, [beside, others].as_flattened());
        }
        if let Some((level, name)) = &self.level {
            let at = bottom - y.place(*level) * PLOT - 4.0;
            labels.write(&mut svg, name, &[((WIDTH - RIGHT, at), Anchor::End), ((LEFT + 4.0, at), Anchor::Start)]);
        }
        let hidden = points().filter(|point| !shown(point)).count();
        Some((svg.finish(bottom + 40.0, &self.title, self.description(&series)), hidden))
    }

    fn axes(&self, svg: &mut Svg, (x, y): (&AxisRange, &AxisRange), bottom: f64) {
        for tick in &y.ticks {
            let at = bottom - y.place(*tick) * PLOT;
            svg.line("grid", (LEFT, at), (WIDTH - RIGHT, at));
            svg.text("soft", (LEFT - 6.0, at + 4.0), Anchor::End, &(self.y.text)(*tick));
        }
        let mut free = 0.0;
        for tick in &x.ticks {
            let (at, text) = (LEFT + x.place(*tick) * (WIDTH - LEFT - RIGHT), (self.x.text)(*tick));
            svg.line("axis", (at, bottom), (at, bottom + 4.0));
            let half = width(&text) / 2.0;
            if at - half >= free && at + half <= WIDTH {
                svg.text("soft", (at, bottom + 16.0), Anchor::Middle, &text);
                free = at + half + CHARACTER;
            }
        }
        svg.line("axis", (LEFT, bottom), (WIDTH - RIGHT, bottom));
        svg.text("", (WIDTH - RIGHT, bottom + 33.0), Anchor::End, &fit(&self.x.label, WIDTH - LEFT));
    }

    fn description(&self, series: &[&Series]) -> String {
        let text = |point: &Point| format!("{} at {}", (self.y.text)(point.y), (self.x.text)(point.x));
        let list = series.iter().map(|series| {
            let points: Vec<String> = series.points.iter().filter(|point| self.shows(point)).map(text).collect();
            format!("{}: {}", series.name, points.join(", "))
        });
        let list: Vec<String> = list.collect();
        format!("{} against {}. {}.", self.y.label, self.x.label, list.join("; "))
    }
}

/// Boxes that are taken, so that labels cover neither marks nor each other.
struct Labels {
    top: f64,
    bottom: f64,
    taken: Vec<(f64, f64, f64, f64)>,
}

impl Labels {
    /// Takes the box around two corners, with a margin.
    fn occupy(&mut self, (x, y): Coordinates, (u, v): Coordinates, air: f64) {
        self.taken.push((x.min(u) - air, y.min(v) - air, x.max(u) + air, y.max(v) + air));
    }

    fn area((x, y): Coordinates, anchor: Anchor, text: &str) -> (f64, f64, f64, f64) {
        let wide = width(text);
        let left = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - wide / 2.0,
            Anchor::End => x - wide,
        };
        (left, y - 9.0, left + wide, y + 3.0)
    }

    fn free(&self, at: Coordinates, anchor: Anchor, text: &str) -> bool {
        let (left, top, right, bottom) = Labels::area(at, anchor, text);
        let inside = left >= LEFT && right <= WIDTH && top >= self.top - 8.0 && bottom <= self.bottom + 2.0;
        inside && self.taken.iter().all(|(l, t, r, b)| right < *l || *r < left || bottom < *t || *b < top)
    }

    /// Writes `text` at the first of `spots` that is free, if any is, and takes it.
    fn write(&mut self, svg: &mut Svg, text: &str, spots: &[(Coordinates, Anchor)]) {
        let free = spots.iter().find(|(at, anchor)| self.free(*at, *anchor, text));
        if let Some((at, anchor)) = free.filter(|_| !text.is_empty()) {
            self.taken.push(Labels::area(*at, *anchor, text));
            svg.text("soft", *at, *anchor, text);
        }
    }
}

/// Bars from 0, one below the other.
pub(super) struct Bars {
    pub title: String,
    /// Names of the parts of a bar and the numbers of their colour classes.
    pub parts: Vec<(&'static str, usize)>,
    /// Returns the text of a value.
    pub text: fn(f64) -> String,
    pub bars: Vec<RunBar>,
}

/// Bar of a run.
pub(super) struct RunBar {
    pub label: String,
    /// Heading above the bar, at the start of a group.
    pub heading: Option<String>,
    /// Value of each part. Absent ones are not drawn.
    pub values: Vec<Option<f64>>,
    /// Ends of a whisker.
    pub whisker: Option<(f64, f64)>,
    /// Text behind the label: the value, or that there is none.
    pub note: String,
}

impl Bars {
    /// Draws the bars. None: no bar has a number.
    pub(super) fn draw(&self) -> Option<Drawing> {
        let total = |bar: &RunBar| bar.values.iter().flatten().filter(|value| value.is_finite()).sum::<f64>();
        let most = |bar: &RunBar| total(bar).max(bar.whisker.map_or(0.0, |(_, high)| high));
        let (_, largest) = extent(self.bars.iter().map(most)).filter(|(_, largest)| *largest > 0.0)?;
        let names: Vec<&str> = self.parts.iter().map(|(name, _)| *name).collect();
        let mut svg = Svg::default();
        let mark = |svg: &mut Svg, number: usize, (left, middle)| {
            svg.rect(&format!("bar c{}", self.parts[number].1), (left, middle - 5.0), (10.0, 10.0), "");
        };
        let legend = if names.len() > 1 { &names[..] } else { &[] };
        let mut at = head(&mut svg, &self.title, legend, mark) + 2.0;
        let scale = WIDTH / largest;
        for bar in &self.bars {
            if let Some(heading) = &bar.heading {
                at += 22.0;
                svg.text("strong soft", (0.0, at - 6.0), Anchor::Start, &fit(heading, WIDTH));
            }
            svg.text("", (0.0, at + 12.0), Anchor::Start, &fit(&bar.label, WIDTH - width(&bar.note) - 8.0));
            svg.text("soft", (WIDTH, at + 12.0), Anchor::End, &bar.note);
            svg.line("grid", (0.0, at + 22.0), (WIDTH, at + 22.0));
            let mut left = 0.0;
            for ((name, class), value) in self.parts.iter().zip(&bar.values) {
                let Some(value) = value.filter(|value| value.is_finite() && *value > 0.0) else { continue };
                let title = format!("{}, {name}: {}", bar.label, (self.text)(value));
                svg.rect(&format!("bar c{class}"), (left, at + 17.0), (value * scale, 10.0), &title);
                left += value * scale;
            }
            if let Some((low, high)) = bar.whisker {
                svg.line("whisker", (low * scale, at + 22.0), (high * scale, at + 22.0));
                for end in [low, high] {
                    svg.line("whisker", (end * scale, at + 18.5), (end * scale, at + 25.5));
                }
            }
            at += 34.0;
        }
        let list: Vec<String> = self.bars.iter().map(|bar| format!("{}: {}", bar.label, bar.note)).collect();
        Some(svg.finish(at + 4.0, &self.title, list.join("; ") + "."))
    }
}
