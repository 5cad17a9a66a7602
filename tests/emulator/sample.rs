//! A few workgroups stand for a dispatch: their counters, scaled, are those of the whole.

use libtest_mimic::{Failed, Trial as Test};
use qwgpu::emulator::{Counters, EmulatedAdapter, Emulator, EmulatorOptions, Schedule};
use qwgpu::formats;
use qwgpu::gpu::{Class, Options, tuning};
use qwgpu::lab::sample;
use qwgpu::plan::trial::check;
use qwgpu::plan::{Case, Consts, Kernel, Tensor, Trial, Variant};

const LANES: usize = 32;

/// Kernels whose workgroups do the same but at the edges, whatever the values. Rows of others may begin within a line, or
/// their values may choose what they do.
const UNIFORM: [&str; 6] = ["copy", "fma", "matmul_bf16", "matmul_grid", "matvec_bf16", "matvec_grid"];

/// Returns a test for each case of a uniform kernel, by the variants that a GPU runs.
pub fn tests() -> Vec<Test> {
    let kernels = formats::kernels().filter(|kernel| UNIFORM.contains(&kernel.name));
    let cases =
        kernels.flat_map(|kernel| kernel.cases.iter().filter(|case| counted(case)).map(move |case| (kernel, case)));
    let test = |(kernel, case): (&'static Kernel, &'static Case)| {
        Test::test(format!("sample/{}/{}", kernel.name, case.name), move || compare(kernel, case))
    };
    cases.map(test).collect()
}

/// Zeros stand for what tensors hold, which says where columns in an order go.
fn counted(case: &Case) -> bool {
    !case.bench && !case.name.ends_with("_order") && !case.name.ends_with("_next")
}

fn compare(kernel: &'static Kernel, case: &Case) -> Result<(), Failed> {
    let settings =
        EmulatorOptions { sanitize: false, profile: true, ..EmulatorOptions::sanitizing(LANES, Schedule::Forward) };
    let adapter = EmulatedAdapter::new(settings, Options::default());
    let chosen: (&Variant, Consts) = tuning::choose(kernel, Class::Discrete, adapter.has(), LANES as u32);
    let mut emulator = Emulator::new(adapter, u64::MAX);
    check(kernel, case, &mut emulator)?;
    let (trial, _) = Trial::new(case);
    for (step, whole) in trial.plan.steps.iter().zip(&emulator.executor.outcomes) {
        if step.kernel.name != kernel.name {
            continue;
        }
        let zeros = |tensor: Tensor| vec![0; tensor.words().max(4).next_multiple_of(4)];
        let mut sampled = Counters::default();
        sample::step(step, chosen.clone(), LANES, zeros)?.iter().for_each(|dispatch| sampled.add(dispatch, 1));
        // Sectors that other workgroups have read are known to the whole only.
        let mut whole = Counters { rereads: sampled.rereads, ..whole.outcome.counters.clone() };
        if kernel.name.starts_with("matvec_") || kernel.name.ends_with("_grid") {
            // The statistics and the outputs of a few rows begin anywhere in a line.
            let (found, expected) = (&sampled.buffers, &mut whole.buffers);
            for (found, expected) in [(found.lines, &mut expected.lines), (found.sectors, &mut expected.sectors)] {
                if found.abs_diff(*expected) * 20 <= *expected {
                    *expected = found;
                }
            }
            whole.by_line.values_mut().zip(sampled.by_line.values()).for_each(|(line, found)| line.lines = found.lines);
        }
        if sampled != whole {
            return Err(format!("sampled {sampled:#?}, whole {whole:#?}").into());
        }
    }
    Ok(())
}
