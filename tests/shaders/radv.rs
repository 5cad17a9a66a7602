//! Budgets of the shaders under AMD's compiler: no spilled registers, no load in a loop that nothing overlaps, no
//! program that takes long to compile, matvecs near the least instructions and with enough loads at once. One named test
//! for each variant, width and card; ignored where Mesa's driver RADV is not there. docs/SHADERS.md has the seconds, which
//! no test depends on.

use std::path::Path;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Failed, Trial as Test};
use qwgpu::formats;
use qwgpu::gpu::{Class, tuning};
use qwgpu::lab::compile::{HAS, report};
use qwgpu::lab::radv::{CARDS, Compiler, manifest};
use qwgpu::lab::text::ShaderText;

/// Loads in loops that are waited for at once: the most that any variant which runs on a card has. These are bias and old
/// value of an output, in the loop over a lane's sixteen outputs after the product.
static LONE_LOADS: &[(&str, u64)] = &[("matmul_int8", 2)];

/// Vector instructions for a weight that a matvec may have, by the beginning of its name, the first that fits: 2.5 or 3.5
/// keep a card's memory busy. Codes of 3, 5 and 6 bits lie across words, and groups of 16 or 32 columns have statistics in
/// two levels in K blocks and SpQR.
static VALU_PER_WEIGHT: &[(&str, f64)] = &[
    ("matvec_bf16", 2.3),
    ("matvec_grid/subgroup/8", 2.5),
    ("matvec_grid/subgroup/3", 3.1),
    ("matvec_grid", 2.9),
    ("matvec_gguf/subgroup/Q8_0", 2.4),
    ("matvec_gguf/subgroup/Q4_0", 2.6),
    ("matvec_gguf/subgroup/Q5_K", 3.5),
    ("matvec_gguf/subgroup/Q6_K", 3.5),
    ("matvec_gguf", 3.2),
    ("matvec_spqr/subgroup/8", 2.9),
    ("matvec_spqr/subgroup/3", 3.4),
    ("matvec_spqr", 3.2),
    ("matvec_int8", 0.5),
    ("matvec_quantize_int8", 2.5),
];

/// Loads that such a matvec has in flight when it first waits for one.
const LOADS_AHEAD: u64 = 8;

/// Version of Mesa that the counts are of. Another may put loads and waits elsewhere.
const COUNTED: &str = "Mesa 22.3";

/// Instructions that a program may have; the largest of today's has 3,900. It bounds the size alone: a short program
/// can take minutes to compile, which `qwgpu shader compile` shows and no test can hold without a clock.
const MOST_INSTRUCTIONS: u64 = 5000;

/// Returns a test for each variant, width and card.
pub fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for card in &CARDS {
        let qwgpu = Path::new(env!("CARGO_BIN_EXE_qwgpu"));
        let compiler = manifest().and_then(|_| Compiler::start(card, qwgpu));
        let missing = compiler.as_ref().err().map(ToString::to_string);
        let version = compiler.as_ref().map_or(String::new(), |compiler| compiler.driver.version.clone());
        if missing.is_none() && !version.starts_with(COUNTED) {
            let test = Test::test(format!("lone_loads/{}", card.name), || Ok(()));
            tests.push(test.with_kind(format!("counts are of {COUNTED}, this is {version}")).with_ignored_flag(true));
        }
        let compiler = Arc::new(Mutex::new(compiler.ok()));
        for kernel in formats::kernels() {
            for text in kernel.variants.iter().flat_map(|variant| ShaderText::all(kernel, variant, card.subgroup)) {
                let (name, lacking) = (format!("{}/{}", text.name(), card.name), text.variant.needs.difference(HAS));
                let shared = Arc::clone(&compiler);
                let test = Test::test(name, move || match &mut *shared.lock().unwrap_or_else(|e| e.into_inner()) {
                    Some(compiler) => check(compiler, &text),
                    None => Err("no compiler".into()),
                });
                let reason = missing.clone().or((!lacking.is_empty()).then(|| format!("needs {lacking}")));
                tests.push(match reason {
                    Some(reason) => test.with_kind(reason).with_ignored_flag(true),
                    None => test,
                });
            }
        }
    }
    tests
}

fn check(compiler: &mut Compiler, text: &ShaderText) -> Result<(), Failed> {
    let report = report(compiler, text, None)?;
    if let Some(error) = report.error {
        return Err(error.into());
    }
    let (Some(instructions), Some(spills), Some(lone)) = (report.instructions, report.spills, report.lone_loads) else {
        return Err("the driver gives no statistics".into());
    };
    let allowed = LONE_LOADS.iter().find(|(kernel, _)| *kernel == text.kernel.name).map_or(0, |(_, count)| *count);
    let mut faults = Vec::new();
    if instructions > MOST_INSTRUCTIONS {
        faults.push(format!("{instructions} instructions, expected at most {MOST_INSTRUCTIONS}: unroll less"));
    }
    // The other variants are for software drivers.
    let (chosen, _) = tuning::choose(text.kernel, Class::Discrete, HAS, compiler.card.subgroup);
    let runs_on_card = chosen.name == text.variant.name;
    if runs_on_card && spills > 0 {
        faults.push(format!("{spills} registers spilled"));
    }
    if runs_on_card && compiler.driver.version.starts_with(COUNTED) && lone > allowed {
        faults.push(format!("{lone} loads in loops are waited for at once, expected at most {allowed}"));
    }
    let limit = VALU_PER_WEIGHT.iter().find(|(start, _)| text.name().starts_with(start)).map(|(_, limit)| *limit);
    if let Some(limit) = limit.filter(|_| runs_on_card && compiler.driver.version.starts_with(COUNTED)) {
        let valu = report.valu_per_weight.unwrap_or(f64::INFINITY);
        let ahead = report.loads_before_wait.unwrap_or_default();
        if valu > limit || ahead < LOADS_AHEAD {
            faults.push(format!(
                "{valu:.2} vector instructions a weight and {ahead} loads before the first wait, expected at most {limit} \
                 and at least {LOADS_AHEAD}"
            ));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ").into()) }
}
