//! Talks with a model, message by message: `cargo run --release --example chat -- Qwen2.5-0.5B-Instruct 'Why?' 'Why not?'`.

use qwgpu::generate::Flow;
use qwgpu::{Conversation, DeviceChoice, OpenOptions, ReplyOptions};

fn main() -> qwgpu::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    run(&words)
}

pub fn run(words: &[String]) -> qwgpu::Result<()> {
    let [path, messages @ ..] = words else { panic!("give a model and messages") };
    // The CPU reference, for machines without a GPU; `DeviceChoice::default()` takes the best adapter.
    let options = OpenOptions { device: DeviceChoice::cpu(), ..OpenOptions::default() };
    let mut model = options.open(path, &mut ())?;
    let mut conversation = Conversation::new(Some("Answer in one sentence."));
    let options = ReplyOptions { max_new_tokens: 16, ..ReplyOptions::default() };
    for message in messages {
        println!("> {message}");
        conversation.say(&mut model, message, &options, &mut |piece| {
            print!("{piece}");
            Ok(Flow::Continue)
        })?;
        println!();
    }
    Ok(())
}
