//! Quantizes a model to 4 bits: `cargo run --release --example quantize -- Qwen2.5-0.5B text.txt q4`.

use std::path::Path;

use qwgpu::formats::Quant;
use qwgpu::quantize::Settings;
use qwgpu::quantize::calibration::Calibration;
use qwgpu::quantize::session::{quantize, summary};
use qwgpu::{DeviceChoice, Progress, Result};

/// Prints what a person should read; a program of yours may show a bar, and cancel by an error.
struct Lines;

impl Progress for Lines {
    fn at(&mut self, _what: &str, _done: u64, _total: u64) -> Result<()> {
        Ok(())
    }

    fn note(&mut self, line: &str) {
        println!("{line}");
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    run(&words)
}

pub fn run(words: &[String]) -> Result<()> {
    let [model, text, out] = words else { panic!("give a model, a calibration text and a folder to make") };
    let quant: Quant = "gptq:4".parse().expect("a method and its bits");
    let settings = Settings::new(quant);
    let calibration = Calibration { file: Some(text.into()), samples: 4, length: 64, ..Calibration::default() };
    let device = DeviceChoice::cpu();
    let report = quantize(Path::new(model), settings, &calibration, &device, Path::new(out), &mut Lines)?;
    println!("{}", summary(&report, Path::new(out)));
    Ok(())
}
