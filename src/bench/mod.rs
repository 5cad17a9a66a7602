//! Measuring: kernels on an adapter, models on a device, and the files and tables of the results.
//!
//! A GPU is timed by its timestamps, or by the wall clock where it has none. A software adapter
//! computes on this machine's CPU, which others may use too: there shares are taken of CPU time over
//! all threads, which a busy machine changes little.

pub mod count;
pub mod kernels;
pub mod models;
pub mod report;
pub mod tables;
pub mod usage;

use serde::{Deserialize, Serialize};

/// What measured a kernel's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The device's own.
    Timestamps,
    /// This machine's, from submission to the end.
    Wall,
}

/// How long something took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Took {
    pub seconds: f64,
    /// Of all threads; only where the adapter computes on the CPU.
    pub cpu_seconds: Option<f64>,
}

/// What this adapter can do at best, by the `copy` and `fma` kernels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// Bytes read and written by the copy, and how long it took.
    pub copy_bytes: u64,
    pub copy: Took,
    /// Additions and multiplications of the chains, and how long they took.
    pub fma_flops: u64,
    pub fma: Took,
}

impl Probes {
    /// Bytes a second.
    pub fn bandwidth(&self) -> f64 {
        self.copy_bytes as f64 / self.copy.seconds
    }

    /// Operations a second.
    pub fn flops(&self) -> f64 {
        self.fma_flops as f64 / self.fma.seconds
    }

    /// The share of the copy's bandwidth that moving `bytes` in `took` is.
    pub fn share_of_copy(&self, bytes: u64, took: Took) -> f64 {
        share(bytes, took, self.copy_bytes, self.copy)
    }

    /// The share of the chains' rate that `flops` in `took` are.
    pub fn share_of_fma(&self, flops: u64, took: Took) -> f64 {
        share(flops, took, self.fma_flops, self.fma)
    }
}

/// Of CPU time where both have it.
fn share(amount: u64, took: Took, probe_amount: u64, probe: Took) -> f64 {
    let (took, probe) = match (took.cpu_seconds, probe.cpu_seconds) {
        (Some(took), Some(probe)) => (took, probe),
        _ => (took.seconds, probe.seconds),
    };
    (amount as f64 / took) / (probe_amount as f64 / probe)
}

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// Coefficient of variation: standard deviation over mean; above 0.05 nothing should be
    /// concluded from a difference.
    pub cv: f64,
}

impl Spread {
    /// # Panics
    /// If there are no values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
        Spread {
            median: (values[(n - 1) / 2] + values[n / 2]) / 2.0,
            min: values[0],
            max: values[n - 1],
            cv: variance.sqrt() / mean,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_and_shares() {
        let s = Spread::of([4.0, 1.0, 2.0, 5.0]);
        assert_eq!((s.median, s.min, s.max), (3.0, 1.0, 5.0));
        // Deviations -2, -1, 1, 2 around 3: variance 10 / 3.
        assert!((s.cv - (10.0f64 / 3.0).sqrt() / 3.0).abs() < 1e-12);
        assert_eq!(Spread::of([7.0]).cv, 0.0);

        let took = |seconds, cpu_seconds| Took { seconds, cpu_seconds };
        let probes = Probes { copy_bytes: 100, copy: took(2.0, Some(4.0)), fma_flops: 10, fma: took(1.0, None) };
        // 20 bytes in one CPU second, of 25.
        assert_eq!(probes.share_of_copy(20, took(9.0, Some(1.0))), 0.8);
        assert_eq!(probes.share_of_fma(5, took(1.0, Some(8.0))), 0.5);
    }
}
