//! docs/COUNTERS.md holds the counters that the emulator gives.

use libtest_mimic::{Failed, Trial as Test};
use qwgpu::emulator::counters_table;

/// Returns the test.
pub fn tests() -> Vec<Test> {
    vec![Test::test("counters_table", is_up_to_date)]
}

fn is_up_to_date() -> Result<(), Failed> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/COUNTERS.md");
    let text = std::fs::read_to_string(file)?;
    let (head, _) = text.split_once("| kernel |").ok_or("no table")?;
    let made = format!("{head}{}", counters_table()?);
    if std::env::var_os("QWGPU_WRITE_DOCS").is_some() {
        std::fs::write(file, &made)?;
        return Ok(());
    }
    match text.lines().zip(made.lines()).find(|(before, now)| before != now) {
        None if text.len() == made.len() => Ok(()),
        differ => Err(format!(
            "docs/COUNTERS.md is out of date: run \
             `QWGPU_WRITE_DOCS=1 cargo test --release --test emulator -- counters_table` and commit it{}",
            differ.map_or(String::new(), |(before, now)| format!("\nit has  {before}\nit is   {now}"))
        )
        .into()),
    }
}
