//! Measuring: kernels on an adapter, models on a device, and the files and tables of the results.
//!
//! A GPU is timed by its timestamps, or by the wall clock where it has none. A software adapter computes on this
//! machine's CPU, which other programs may use too: there shares are taken of CPU time over all threads, which a busy
//! machine changes little.

pub mod kernels;
pub mod models;
pub mod results;
pub mod tables;
pub mod usage;
pub mod walk;
pub mod work;

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Commit that this program was built from: `unknown` outside a repository, and `-dirty` at its end where the sources
/// differed.
pub const COMMIT: &str = env!("QWGPU_COMMIT");

/// Clock that times kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Timestamps of the device.
    Timestamps,
    /// Clock of this machine, from submission to the end.
    Wall,
}

/// Time that a piece of work took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Elapsed {
    pub seconds: f64,
    /// CPU time over all threads; only where the adapter computes on the CPU.
    pub cpu_seconds: Option<f64>,
}

impl Elapsed {
    /// Returns CPU time where it is known, else seconds.
    fn cost(self) -> f64 {
        self.cpu_seconds.unwrap_or(self.seconds)
    }
}

/// Start of a measurement.
struct Stopwatch {
    start: Instant,
    cpu: Option<f64>,
}

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch { start: Instant::now(), cpu: usage::cpu_seconds() }
    }

    fn elapsed(&self) -> Elapsed {
        let cpu_seconds = self.cpu.zip(usage::cpu_seconds()).map(|(before, after)| after - before);
        Elapsed { seconds: self.start.elapsed().as_secs_f64(), cpu_seconds }
    }
}

/// Rates that the kernels `copy` and `fma` reach on an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// Bytes read and written.
    pub copy: Probe,
    /// Additions and multiplications.
    pub fma: Probe,
}

/// Rate that an adapter reaches at best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    pub amount: u64,
    pub elapsed: Elapsed,
}

impl Probe {
    /// Returns bytes or operations a second.
    pub fn per_second(&self) -> f64 {
        self.amount as f64 / self.elapsed.seconds
    }

    /// Returns the share of this rate that `amount` in `elapsed` reaches, by CPU time where both have it.
    pub fn share(&self, amount: f64, elapsed: Elapsed) -> f64 {
        let (seconds, own) = match (elapsed.cpu_seconds, self.elapsed.cpu_seconds) {
            (Some(seconds), Some(own)) => (seconds, own),
            _ => (elapsed.seconds, self.elapsed.seconds),
        };
        (amount / seconds) / (self.amount as f64 / own)
    }
}

/// Summary of repeated measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// Coefficient of variation: standard deviation over mean. Above 0.05 a difference says nothing.
    pub cv: f64,
}

impl Summary {
    /// Summarizes `values`; NaN where there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Summary {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let n = values.len();
        let at = |number: usize| values.get(number).copied().unwrap_or(f64::NAN);
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
        Summary {
            median: (at(n.saturating_sub(1) / 2) + at(n / 2)) / 2.0,
            min: at(0),
            max: at(n.saturating_sub(1)),
            cv: variance.sqrt() / mean,
        }
    }
}
