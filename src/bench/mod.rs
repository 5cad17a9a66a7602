//! Measuring: kernels on an adapter, models on a device, and the files and tables of the results.
//!
//! A GPU is timed by its timestamps, or by the wall clock where it has none. A software adapter computes on this
//! machine's CPU, which other programs may use too: there shares are taken of CPU time over all threads, which a busy
//! machine changes little.

pub mod case_timer;
pub mod kernels;
pub mod models;
pub mod results;
pub mod tables;
pub mod usage;
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
