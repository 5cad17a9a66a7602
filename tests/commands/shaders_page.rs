//! docs/SHADERS.md: its commands print what it shows.

use std::path::Path;

use crate::command::{qwgpu, stdout};

/// Fills each `console` block with what its commands print now.
fn remake(text: &str) -> String {
    let mut made = String::new();
    let mut parts = text.split("```console\n");
    made += parts.next().unwrap();
    for part in parts {
        let (block, rest) = part.split_once("```\n").expect("the end of a block");
        made += "```console\n";
        for command in block.lines().filter_map(|line| line.strip_prefix("$ qwgpu ")) {
            let output = qwgpu(command.split(' ')).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
            made += &format!("$ qwgpu {command}\n{}", stdout(&output));
        }
        made += &format!("```\n{rest}");
    }
    made
}

#[test]
fn the_outputs_of_the_shaders_page_are_those_of_its_commands() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SHADERS.md");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.matches("\n$ qwgpu ").count() >= 5, "a page without commands");
    let made = remake(&text);
    if std::env::var_os("QWGPU_WRITE_DOCS").is_some() {
        std::fs::write(&file, &made).unwrap();
        return;
    }
    let remade = "QWGPU_WRITE_DOCS=1 cargo test --release --test commands -- shaders_page";
    assert!(made == text, "docs/SHADERS.md is out of date; remade by `{remade}`; commands print:\n{made}");
}
