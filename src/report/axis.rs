//! Axes: from numbers to places, and round ticks.

use super::number::extent;

/// Axis without its range.
pub(super) struct Axis {
    pub label: String,
    /// True if the axis is logarithmic, else it is linear.
    pub log: bool,
    /// Returns the text of a tick.
    pub text: fn(f64) -> String,
    /// Ticks of the axis. Empty: round numbers.
    pub ticks: &'static [f64],
}

/// Axis with its range.
pub(super) struct AxisRange {
    log: bool,
    low: f64,
    high: f64,
    pub ticks: Vec<f64>,
}

impl Axis {
    pub(super) fn linear(label: &str, text: fn(f64) -> String) -> Axis {
        Axis { label: label.to_owned(), log: false, text, ticks: &[] }
    }

    pub(super) fn log(label: &str, text: fn(f64) -> String) -> Axis {
        Axis { log: true, ..Axis::linear(label, text) }
    }

    /// Returns whether a number has a place on the axis.
    pub(super) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }

    /// Returns a range around all `values` that the axis shows. None: it shows none of them.
    pub(super) fn range(&self, values: impl Iterator<Item = f64>) -> Option<AxisRange> {
        let (low, high) = extent(values.filter(|value| self.shows(*value)).map(|value| scaled(value, self.log)))?;
        let air = match high - low {
            wide if wide > 1e-9 * high.abs().max(1e-300) => 0.07 * wide,
            _ if self.log => 0.1,
            _ => 0.05 * high.abs().max(1.0),
        };
        let unscaled = |value: f64| if self.log { 10f64.powf(value.clamp(-307.0, 307.0)) } else { value };
        let (low, high) = (unscaled(low - air), unscaled(high + air));
        let ticks = match self.ticks {
            [] if self.log => log_ticks(low, high),
            [] => linear_ticks(low, high),
            ticks => ticks.iter().copied().filter(|tick| (low..=high).contains(tick)).collect(),
        };
        Some(AxisRange { log: self.log, low, high, ticks })
    }
}

impl AxisRange {
    /// Returns the place of a number, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let [low, high, value] = [self.low, self.high, value].map(|value| scaled(value, self.log));
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }
}

/// Returns what an axis is linear in: a value, or its logarithm.
fn scaled(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

/// Returns about five round numbers within a range, for a logarithmic axis.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = (high / low).log10();
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let step = ((last - first) as usize).div_ceil(6).max(1);
    let steps: &[f64] = match decades {
        few if few < 0.7 => return linear_ticks(low, high),
        few if few < 1.0 => &[1.0, 2.0, 3.0, 5.0, 7.0],
        few if few < 1.6 => &[1.0, 2.0, 5.0],
        few if few < 3.0 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let powers = (first..=last).step_by(step).flat_map(|power| steps.iter().map(move |s| s * 10f64.powi(power)));
    powers.filter(|tick| (low..=high).contains(tick)).collect()
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
