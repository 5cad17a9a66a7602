//! `cargo bench --bench kernels [-- FILTER --save-baseline NAME]`: every model-sized case of every kernel, as
//! `KERNEL/VARIANT/CASE`, for each variant that the best adapter can run.
//!
//! One run is compared with an earlier one here. `qwgpu bench kernels` compares the variants of a case in one run.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use qwgpu::DeviceChoice;
use qwgpu::bench::case_timer::CaseTimer;
use qwgpu::bench::kernels::cases;
use qwgpu::bench::work::Work;
use qwgpu::plan::Backend;

/// Time of the device in nanoseconds: by its timestamps where it has them, else by the wall clock.
///
/// Criterion wants the throughput of a benchmark before it says whether the benchmark runs. Counting takes a case with
/// all its tensors. So the case that runs leaves its work here, and the throughput is printed from that.
#[derive(Clone, Default)]
struct DeviceTime {
    work: Rc<Cell<Work>>,
}

impl Measurement for DeviceTime {
    type Intermediate = Instant;
    type Value = f64;

    fn start(&self) -> Instant {
        Instant::now()
    }

    fn end(&self, start: Instant) -> f64 {
        start.elapsed().as_secs_f64() * 1e9
    }

    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, nanoseconds: &f64) -> f64 {
        *nanoseconds
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for DeviceTime {
    fn format_throughput(&self, _: &Throughput, nanoseconds: f64) -> String {
        let Work { bytes, flops } = self.work.get();
        let rate = |amount: f64, unit: &str| format!("{:.4} {unit}", amount / nanoseconds);
        if flops > 0.0 { format!("{} & {}", rate(bytes, "GB/s"), rate(flops, "GFLOP/s")) } else { rate(bytes, "GB/s") }
    }

    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, values: &mut [f64]) -> &'static str {
        values.iter_mut().for_each(|nanoseconds| *nanoseconds = self.work.get().bytes / *nanoseconds);
        "GB/s"
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}

fn main() {
    let clock = DeviceTime::default();
    let mut criterion = Criterion::default()
        .with_measurement(clock.clone())
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let mut gpu = match (DeviceChoice::default()).open_gpu() {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(3);
        }
    };
    for (kernel, case) in cases() {
        let mut group = criterion.benchmark_group(kernel.name);
        // A run takes microseconds to seconds. The throughput itself comes from the case.
        group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
        let variants: Vec<_> = kernel.variants.iter().filter(|variant| gpu.can_run(variant)).collect();
        for variant in variants {
            let mut ready = None;
            group.bench_function(BenchmarkId::new(variant.name, case.name), |bencher| {
                let (timer, program) = ready.get_or_insert_with(|| {
                    let timer = CaseTimer::new(&mut gpu, case).expect("tensors on the device");
                    let program = timer.prepare(&mut gpu, kernel, variant).expect("a shader that compiles");
                    clock.work.set(timer.work);
                    (timer, program)
                });
                bencher.iter_custom(|runs| {
                    let elapsed = timer.time(&mut gpu, *program, runs as usize).expect("a device that answers");
                    elapsed.seconds * 1e9 * runs as f64
                });
            });
            if let Some((timer, program)) = ready {
                gpu.release(program);
                timer.close(&mut gpu);
            }
        }
        group.finish();
    }
    criterion.final_summary();
}
