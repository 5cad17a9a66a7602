//! Axes: from numbers to places, and round ticks.

use super::number::extent;

/// Scale of an axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Log,
}

/// Axis without its range.
pub(super) struct Axis {
    pub label: String,
    pub scale: Scale,
    /// Returns the text of a tick.
    pub text: fn(f64) -> String,
    /// Ticks of the axis. Empty: round numbers.
    pub ticks: &'static [f64],
}

/// Axis with its range.
pub(super) struct AxisRange {
    scale: Scale,
    pub low: f64,
    high: f64,
    pub ticks: Vec<f64>,
}

impl Axis {
    pub(super) fn linear(label: &str, text: fn(f64) -> String) -> Axis {
        Axis { label: label.to_owned(), scale: Scale::Linear, text, ticks: &[] }
    }

    pub(super) fn log(label: &str, text: fn(f64) -> String) -> Axis {
        Axis { label: label.to_owned(), scale: Scale::Log, text, ticks: &[] }
    }

    /// Returns whether a number has a place on the axis.
    pub(super) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (self.scale == Scale::Linear || value > 0.0)
    }

    /// Returns a range around all `values` that the axis shows. None: it shows none of them.
    pub(super) fn range(&self, values: impl Iterator<Item = f64>) -> Option<AxisRange> {
        let shown = values.filter(|value| self.shows(*value)).map(|value| self.scale.forward(value));
        let (low, high) = extent(shown)?;
        let air = if high - low > 1e-9 * high.abs().max(1e-300) {
            0.07 * (high - low)
        } else if self.scale == Scale::Log {
            0.1
        } else {
            0.05 * high.abs().max(1.0)
        };
        let (low, high) = (self.scale.back(low - air), self.scale.back(high + air));
        let ticks: Vec<f64> = if self.ticks.is_empty() {
            self.scale.ticks(low, high)
        } else {
            self.ticks.iter().copied().filter(|tick| (low..=high).contains(tick)).collect()
        };
        Some(AxisRange { scale: self.scale, low, high, ticks })
    }
}

impl AxisRange {
    /// Returns the place of a number, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let [low, high, value] = [self.low, self.high, value].map(|value| self.scale.forward(value));
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }
}

impl Scale {
    fn forward(self, value: f64) -> f64 {
        if self == Scale::Log { value.log10() } else { value }
    }

    fn back(self, value: f64) -> f64 {
        if self == Scale::Log { 10f64.powf(value.clamp(-307.0, 307.0)) } else { value }
    }

    /// Returns about five round numbers within a range.
    fn ticks(self, low: f64, high: f64) -> Vec<f64> {
        let decades = if self == Scale::Log { (high / low).log10() } else { 0.0 };
        if decades < 0.7 {
            return linear_ticks(low, high);
        }
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let step = ((last - first) as usize).div_ceil(6).max(1);
        let steps: &[f64] = match decades {
            few if few < 1.0 => &[1.0, 2.0, 3.0, 5.0, 7.0],
            few if few < 1.6 => &[1.0, 2.0, 5.0],
            few if few < 3.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let powers = (first..=last).step_by(step).flat_map(|power| steps.iter().map(move |s| s * 10f64.powi(power)));
        powers.filter(|tick| (low..=high).contains(tick)).collect()
    }
}

fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    if !(rough > 0.0 && rough.is_finite()) {
        return vec![low];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step).ceil();
    (0..12).map(|index| (first + f64::from(index)) * step).take_while(|tick| *tick <= high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: &Axis, values: &[f64]) -> Vec<f64> {
        axis.range(values.iter().copied()).unwrap().ticks.iter().map(|tick| (tick * 1e6).round() / 1e6).collect()
    }

    #[test]
    fn ticks_are_round() {
        let (linear, log) = (Axis::linear("", |v| v.to_string()), Axis::log("", |v| v.to_string()));
        assert_eq!(ticks(&linear, &[51.0, 69.0]), [50.0, 55.0, 60.0, 65.0, 70.0]);
        assert_eq!(ticks(&linear, &[0.0, 1.0]), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(&log, &[8.0, 38000.0]), [10.0, 100.0, 1000.0, 10000.0]);
        assert_eq!(ticks(&log, &[2.0, 16.0]), [2.0, 5.0, 10.0]);
        assert_eq!(ticks(&log, &[8.0, 44.0]), [10.0, 20.0, 30.0]);
        assert_eq!(ticks(&linear, &[7.0]), [6.8, 7.0, 7.2]);
    }

    #[test]
    fn numbers_without_a_place_are_not_shown() {
        let log = Axis::log("", |v| v.to_string());
        assert!(log.range([0.0, f64::NAN, f64::INFINITY].into_iter()).is_none());
        let wide = log.range([1e-300, 1e300, f64::NAN].into_iter()).unwrap();
        assert!(wide.ticks.len() <= 7 && wide.place(1e300) > wide.place(1.0));
    }
}
