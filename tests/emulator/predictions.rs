//! docs/PREDICTIONS.md holds the speeds that the model of the cards gives.

use std::collections::HashMap;

use libtest_mimic::{Failed, Trial as Test};
use qwgpu::bench::tables::figure;
use qwgpu::emulator::Counters;
use qwgpu::generate::KvType;
use qwgpu::gpu::{Class, tuning};
use qwgpu::lab::cards::cards;
use qwgpu::lab::predict::{Phase, StepTime, predict};
use qwgpu::lab::{Card, SpeedPrediction, roofline, sample};
use qwgpu::plan::dispatch::workgroups;
use qwgpu::plan::{Element, Place, Plan, Tensor, Trial};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/PREDICTIONS.md");
const BEGIN: &str = "<!-- begin: predictions -->\n";
const BEGIN_PRODUCTS: &str = "<!-- begin: products -->\n";
const BEGIN_FACTORS: &str = "<!-- begin: factors -->\n";
const END: &str = "<!-- end -->\n";
const MODEL: &str = "random:qwen2.5-7b";

/// Columns of speeds: title, quantization, keys.
const COLUMNS: [(&str, &str, usize); 4] = [
    ("bf16, 128", "", 128),
    ("GPTQ 4 bit, 128", "gptq:4", 128),
    ("GPTQ 2 bit, 128", "gptq:2", 128),
    ("GPTQ 4 bit, 4096", "gptq:4", 4096),
];
/// Column whose limits are told, and which each run of the test counts anew; the others come from the same code.
const HELD: usize = 1;

/// Rows of the table of products of many rows, and the cards of its columns.
const WEIGHTS: [(&str, &str); 8] = [
    ("bf16", ""),
    ("GPTQ 8 bit", "gptq:8"),
    ("GPTQ 4 bit", "gptq:4"),
    ("GPTQ 3 bit", "gptq:3"),
    ("GPTQ 2 bit", "gptq:2"),
    ("Q4_K", "q4_k"),
    ("SpQR 3 bit", "spqr:3"),
    ("LLM.int8()", "int8"),
];
const PRODUCT_CARDS: [&str; 3] = ["RTX 4090", "RX 7900 XTX", "M3 Max"];
/// Row that each run of the test counts anew.
const HELD_WEIGHTS: usize = 3;

/// Rows of the table of factors.
const FACTOR_CARDS: [&str; 4] = ["RTX 4090", "RX 7900 XTX", "M3 Max", "M2"];
/// Inputs of the linears of [`MODEL`] that have a Hessian of their own, and how many of a layer have so many.
const INPUTS: [(usize, usize); 2] = [(3584, 3), (18_944, 1)];
const LAYERS: usize = 28;
/// Calibration samples, and tokens of each.
const SAMPLES: [usize; 2] = [128, 2048];

/// Returns the tests.
pub fn tests() -> Vec<Test> {
    let watchdog = |model: &'static str, tokens, kernels| {
        let run = move || dispatches_end_in_time(&format!("random:{model}"), tokens, kernels);
        Test::test(format!("watchdog/{model}"), run)
    };
    vec![
        Test::test("predictions_table", is_up_to_date),
        Test::test("predictions_of_products", products_are_up_to_date),
        Test::test("predictions_of_spqr", spqr_is_near_gptq),
        Test::test("predictions_of_factors", factors_are_up_to_date),
        watchdog("qwen2.5-7b", 4096, ""),
        watchdog("qwen2.5-72b", 4096, "attention"),
    ]
}

/// Fails where a dispatch of these kernels takes more than 0.6 s in a prompt on the slowest card, attention scaled to
/// 32k keys; a driver's watchdog ends dispatches of two seconds. In 72B a chunk has the fewest rows, 32, at any context.
fn dispatches_end_in_time(model: &str, tokens: usize, kernels: &str) -> Result<(), Failed> {
    let rate = |card: &Card| card.lanes.0 * card.cores.0 * card.clock_ghz.0;
    let slowest = on_gpus().min_by(|a, b| rate(a).total_cmp(&rate(b))).ok_or("no card")?;
    let lengths = [Some(128), Some(tokens)];
    let predicted = predict(&slowest, model, Some("gptq:4".parse()?), lengths, KvType::F16, &mut ())?;
    for step in predicted.prefill.ok_or("no prefill")?.steps.iter().filter(|step| step.kernel.starts_with(kernels)) {
        // The chunk in the middle stands for all: it sees half of the keys.
        let scale = if step.kernel.starts_with("attention") { 32_768.0 / (tokens as f64 / 2.0) } else { 1.0 };
        let seconds = step.microseconds * 1e-6 * scale;
        if seconds > 0.6 {
            return Err(format!("{}: {} takes {seconds:.2} s", slowest.name, step.step).into());
        }
    }
    Ok(())
}

fn is_up_to_date() -> Result<(), Failed> {
    let text = std::fs::read_to_string(FILE)?;
    let (head, rest) = text.split_once(BEGIN).ok_or("no marker")?;
    let (table, tail) = rest.split_once(END).ok_or("no end")?;
    if std::env::var_os("QWGPU_WRITE_DOCS").is_some() {
        return Ok(std::fs::write(FILE, format!("{head}{BEGIN}{}{END}{tail}", made()?))?);
    }
    let held: Vec<[String; 3]> = rows(table)
        .iter()
        .map(|row| [0, 1 + HELD, 1 + COLUMNS.len()].map(|cell| row.get(cell).copied().unwrap_or_default().to_owned()))
        .collect();
    let phases = on_gpus().map(|card| decode(&card, HELD).map(|phase| [card.name, speed(&phase), limits(&phase)]));
    let made = phases.collect::<Result<Vec<_>, _>>()?;
    if held != made {
        let fix = "QWGPU_WRITE_DOCS=1 cargo test --release --test emulator -- predictions_table";
        let differs = held.iter().zip(&made).find(|(held, made)| held != made);
        return Err(format!("docs/PREDICTIONS.md is out of date: run `{fix}` and commit it; {differs:?}").into());
    }
    Ok(())
}

fn products_are_up_to_date() -> Result<(), Failed> {
    let text = std::fs::read_to_string(FILE)?;
    let (head, rest) = text.split_once(BEGIN_PRODUCTS).ok_or("no marker")?;
    let (table, tail) = rest.split_once(END).ok_or("no end")?;
    if std::env::var_os("QWGPU_WRITE_DOCS").is_some() {
        let titles: Vec<String> = PRODUCT_CARDS.map(|card| format!("{card} | tokens/s | |")).to_vec();
        let mut made =
            format!("| weights | {}\n|---|{}\n", titles.join(" "), "--:|--:|---|".repeat(PRODUCT_CARDS.len()));
        for row in WEIGHTS {
            made += &product_row(row)?;
        }
        return Ok(std::fs::write(FILE, format!("{head}{BEGIN_PRODUCTS}{made}{END}{tail}"))?);
    }
    let found = product_row(WEIGHTS[HELD_WEIGHTS])?;
    if !table.contains(&found) {
        let fix = "QWGPU_WRITE_DOCS=1 cargo test --release --test emulator -- predictions_of_products";
        return Err(format!("docs/PREDICTIONS.md is out of date: run `{fix}` and commit it; found {found}").into());
    }
    Ok(())
}

/// Fails where a token by SpQR at 2 bits, outliers and coded statistics included, takes more than 1.2 times as long as by GPTQ.
fn spqr_is_near_gptq() -> Result<(), Failed> {
    for name in &PRODUCT_CARDS[1..] {
        let card = Card::named(name)?;
        let speed = |quant: &str| -> Result<f64, Failed> {
            let predicted = predict(&card, MODEL, Some(quant.parse()?), [Some(128), None], KvType::F32, &mut ())?;
            Ok(predicted.decode.tokens_per_s)
        };
        let times = speed("gptq:2")? / speed("spqr:2")?;
        if times > 1.2 {
            return Err(format!("{name}: {times:.3} times as long").into());
        }
    }
    Ok(())
}

/// Returns the row of a quantization: of each card the share of the rate that all products of a layer reach together,
/// outliers' among them, the tokens a second, and the product with the least share.
fn product_row((title, quant): (&str, &str)) -> Result<String, Failed> {
    let mut row = format!("| {title} |");
    for name in PRODUCT_CARDS {
        let card = Card::named(name)?;
        let quant = if quant.is_empty() { None } else { Some(quant.parse()?) };
        let predicted = predict(&card, MODEL, quant, [Some(128), Some(512)], KvType::F32, &mut ())?;
        let prefill = predicted.prefill.ok_or("no prefill")?;
        let products = prefill.steps.iter().filter(|step| step.step.contains("_proj") && is_of_product(step));
        let (mut tiles, mut time, mut least) = (0.0, 0.0, (f64::INFINITY, ""));
        for step in products {
            time += step.microseconds;
            let Some(own) = step.tile_microseconds else { continue };
            tiles += own;
            let name = step.step.rsplit('.').next().unwrap_or_default();
            least = if own / step.microseconds < least.0 { (own / step.microseconds, name) } else { least };
        }
        let [all, one] = [tiles / time, least.0].map(|share| format!("{:.0} %", share * 100.0));
        row += &format!(" {all} | {} | {} {one} |", figure(prefill.tokens_per_s), least.1);
    }
    Ok(row + "\n")
}

fn factors_are_up_to_date() -> Result<(), Failed> {
    let text = std::fs::read_to_string(FILE)?;
    let (head, rest) = text.split_once(BEGIN_FACTORS).ok_or("no marker")?;
    let (table, tail) = rest.split_once(END).ok_or("no end")?;
    let titles = INPUTS.map(|(columns, _)| format!("a factor of {columns} columns"));
    let mut made = format!("| card | {} | most of it | all factors | all Hessians |\n", titles.join(" | "));
    made += "|---|--:|--:|---|--:|--:|\n";
    for name in FACTOR_CARDS {
        let card = Card::named(name)?;
        let (mut cells, mut factors, mut hessians) = (Vec::new(), 0.0, 0.0);
        for (n, count) in INPUTS {
            let mut kernels = seconds(&card, &factor_plan(n))?;
            kernels.sort_by(|a, b| b.1.total_cmp(&a.1));
            let all: f64 = kernels.iter().map(|(_, seconds)| seconds).sum();
            let part = |(kernel, seconds): &(&str, f64)| format!("`{kernel}` {:.0} %", seconds / all * 100.0);
            cells.push((figure(all), kernels.iter().take(3).map(part).collect::<Vec<_>>().join(", ")));
            factors += (LAYERS * count) as f64 * all;
            let hessian: f64 = seconds(&card, &hessian_plan(n))?.iter().map(|(_, seconds)| seconds).sum();
            hessians += (LAYERS * count * SAMPLES[0]) as f64 * hessian;
        }
        let [(small, _), (large, most)] = &cells[..] else { unreachable!("two widths") };
        made += &format!("| {name} | {small} | {large} | {most} | {factors:.0} | {hessians:.0} |\n");
    }
    if std::env::var_os("QWGPU_WRITE_DOCS").is_some() {
        return Ok(std::fs::write(FILE, format!("{head}{BEGIN_FACTORS}{made}{END}{tail}"))?);
    }
    if table != made {
        let fix = "QWGPU_WRITE_DOCS=1 cargo test --release --test emulator -- predictions_of_factors";
        return Err(format!("docs/PREDICTIONS.md is out of date: run `{fix}` and commit it; found {made}").into());
    }
    Ok(())
}

/// Returns a tensor that no one reads.
fn outline(number: u32, rows: usize, cols: usize) -> Tensor {
    Tensor { place: Place::Resident(number), rows, cols, element: Element::F32 }
}

/// Returns the plan of a factor of `n` columns, with one correction.
fn factor_plan(n: usize) -> Plan {
    let [h, x, pivots] = [outline(0, n, n), outline(1, n, n), outline(2, 1, n)];
    let [residual, error] = [outline(3, 256, n), outline(4, 256, n)];
    let mut plan = Plan::new();
    plan.inverse_factor([x, error.first_rows(64), pivots]);
    plan.correct_inverse([h, x, residual, error]);
    plan
}

/// Returns the plan of a sample's part of the Hessian of `n` columns.
fn hessian_plan(n: usize) -> Plan {
    let mut plan = Plan::new();
    plan.hessian("", outline(0, SAMPLES[1], n), 1.0, 0, outline(1, n, n));
    plan
}

/// Returns the seconds of a plan's steps by kernels. A workgroup has the counters of one of its kernel's case for benches,
/// times the operations that it has more.
fn seconds(card: &Card, plan: &Plan) -> Result<Vec<(&'static str, f64)>, Failed> {
    let mut found: Vec<(&'static str, f64)> = Vec::new();
    let mut known: HashMap<&str, (Counters, u64)> = HashMap::new();
    for step in &plan.steps {
        let kernel = step.kernel;
        let (variant, consts) = tuning::choose(kernel, card.class, card.has()?, card.subgroup.0 as u32);
        if !known.contains_key(kernel.name) {
            let case = kernel.cases.iter().find(|case| case.bench).ok_or("no case for benches")?;
            let trial = Trial::new(case).0;
            let own = trial.plan.steps.iter().find(|step| step.kernel.name == kernel.name).ok_or("no step")?;
            let zeros = |tensor: Tensor| vec![0; tensor.words().max(4).next_multiple_of(4)];
            let dispatches = sample::step(own, (variant, consts.clone()), card.subgroup.0, zeros)?;
            known.insert(kernel.name, (dispatches[0].clone(), own.flops));
            found.push((kernel.name, 0.0));
        }
        let (case, flops) = &known[kernel.name];
        let more = step.flops as f64 / *flops as f64;
        let workgroups = workgroups(step.cells, (variant.tile)(&consts)).map(u64::from).iter().product::<u64>();
        let longer = more * case.workgroups as f64 / workgroups as f64;
        let mut counters = Counters::default();
        counters.add(case, more.round().max(1.0) as u64);
        counters.workgroups = workgroups;
        counters.invocations = case.invocations / case.workgroups * workgroups;
        counters.dependent_loads = (case.dependent_loads as f64 * longer) as u64;
        let (seconds, _) = roofline::step_time(card, &[counters], (step.bytes as f64, false));
        found.iter_mut().filter(|(name, _)| *name == kernel.name).for_each(|(_, sum)| *sum += seconds);
    }
    Ok(found)
}

fn is_of_product(step: &StepTime) -> bool {
    step.kernel.starts_with("matmul")
}

/// Returns the cards but those on the CPU.
fn on_gpus() -> impl Iterator<Item = Card> {
    cards().into_iter().filter(|card| card.class != Class::Software)
}

/// Returns the cells of a table below its titles.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn made() -> Result<String, Failed> {
    let titles: Vec<&str> = COLUMNS.iter().map(|(title, ..)| *title).collect();
    let mut text = format!("| card | {} | limits of {} |\n", titles.join(" | "), COLUMNS[HELD].0);
    text += &format!("|---|{}---|\n", "--:|".repeat(COLUMNS.len()));
    for card in on_gpus() {
        let phases = (0..COLUMNS.len()).map(|column| decode(&card, column)).collect::<Result<Vec<_>, _>>()?;
        let speeds: Vec<String> = phases.iter().map(speed).collect();
        text += &format!("| {} | {} | {} |\n", card.name, speeds.join(" | "), limits(&phases[HELD]));
    }
    Ok(text)
}

fn decode(card: &Card, column: usize) -> Result<Phase, Failed> {
    let (_, quant, context) = COLUMNS[column];
    let quant = if quant.is_empty() { None } else { Some(quant.parse()?) };
    let SpeedPrediction { decode, .. } = predict(card, MODEL, quant, [Some(context), None], KvType::F32, &mut ())?;
    Ok(decode)
}

/// Returns tokens a second, and the share of the copy bound.
fn speed(phase: &Phase) -> String {
    format!("{} ({:.0} %)", figure(phase.tokens_per_s), phase.share_of_copy * 100.0)
}

/// Returns the limits that bind a tenth of the time or more.
fn limits(phase: &Phase) -> String {
    let mut times: Vec<(String, f64)> = Vec::new();
    for step in &phase.steps {
        let limit = serde_json::json!(step.limit).as_str().unwrap_or_default().to_owned();
        let time = step.microseconds * step.count as f64;
        match times.iter_mut().find(|(known, _)| *known == limit) {
            Some((_, sum)) => *sum += time,
            None => times.push((limit, time)),
        }
    }
    let all: f64 = times.iter().map(|(_, time)| time).sum();
    times.retain(|(_, time)| *time >= 0.1 * all);
    times.sort_by(|a, b| b.1.total_cmp(&a.1));
    times.iter().map(|(limit, time)| format!("{limit} {:.0} %", time / all * 100.0)).collect::<Vec<_>>().join(", ")
}
