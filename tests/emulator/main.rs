//! Every kernel, variant and small case on emulated adapters with subgroups of 4 to 128 lanes, and of 32 with
//! neighbouring invocations in different subgroups: results within the variant's tolerance, and no finding.

mod counters;
mod faults;

use libtest_mimic::{Arguments, Failed, Trial as Test};
use qwgpu::emulator::{EmulatedAdapter, Emulator, EmulatorOptions, Schedule};
use qwgpu::formats;
use qwgpu::gpu::Options;
use qwgpu::plan::trial::check;
use qwgpu::plan::{Case, Kernel, Variant};

/// Sizes of subgroups.
const SIZES: [usize; 6] = [4, 8, 16, 32, 64, 128];

fn main() {
    let arguments = Arguments::from_args();
    let mut tests = Vec::new();
    for kernel in formats::kernels() {
        for variant in kernel.variants {
            for case in kernel.cases.iter().filter(|case| !case.bench) {
                let strided = [(32, Schedule::LanesStrided, ":strided")];
                for (size, schedule, order) in
                    SIZES.map(|size| (size, Schedule::Forward, "")).into_iter().chain(strided)
                {
                    let settings = EmulatorOptions::sanitizing(size, schedule);
                    let name = format!("{}/{}/{}/emulated:{size}{order}", kernel.name, variant.name, case.name);
                    let here = EmulatedAdapter::new(settings, Options::default()).can_run(variant);
                    let test = Test::test(name, move || run(kernel, variant, case, settings));
                    tests.push(if here { test } else { test.with_kind("subgroups too small").with_ignored_flag(true) });
                }
            }
        }
    }
    tests.extend(faults::tests());
    tests.extend(counters::tests());
    libtest_mimic::run(&arguments, tests).exit();
}

fn run(
    kernel: &'static Kernel,
    variant: &'static Variant,
    case: &Case,
    settings: EmulatorOptions,
) -> Result<(), Failed> {
    let mut adapter = EmulatedAdapter::new(settings, Options::default());
    adapter.force(kernel, variant);
    let mut emulator = Emulator::new(adapter, u64::MAX);
    let checked = check(kernel, case, &mut emulator)?;
    let findings: Vec<String> = emulator
        .executor
        .outcomes
        .iter()
        .flat_map(|o| {
            o.outcome
                .findings
                .all
                .iter()
                .map(|f| format!("{}: {:?} line {}: {} ({} times)", o.step, f.kind, f.line, f.message, f.count))
        })
        .collect();
    if let Some(fault) = checked.fault {
        return Err(format!("{fault}\n{}", findings.join("\n")).into());
    }
    if findings.is_empty() { Ok(()) } else { Err(findings.join("\n").into()) }
}
