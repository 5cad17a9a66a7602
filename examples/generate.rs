//! Continues a prompt: `cargo run --release --example generate -- Qwen2.5-0.5B 'Once upon a time'`.

use std::io::Write;

use qwgpu::{Model, ReplyOptions};

fn main() -> qwgpu::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    run(&words)
}

pub fn run(words: &[String]) -> qwgpu::Result<()> {
    let [path, prompt] = words else { panic!("give a model and a prompt") };
    let mut model = Model::open(path)?;
    let options = ReplyOptions { max_new_tokens: 32, ..ReplyOptions::default() };
    let reply = model.generate(prompt, &options, |piece| {
        print!("{piece}");
        let _ = std::io::stdout().flush();
    })?;
    println!("\n{} tokens on {}", reply.ids.len(), model.run.adapter);
    Ok(())
}
