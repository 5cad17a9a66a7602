//! Model folders that must be refused, as far as files and names go.

use crate::bad_gguf::{HTML, LFS};
use crate::sample::{folder, gguf, shard, sharded_folder};
use crate::{Case, Files, case};

const INDEX: &str = "model.safetensors.index.json";
const FIRST: &str = "model-00001-of-00002.safetensors";

/// The sample folder with a file replaced.
fn with(name: &str, bytes: impl AsRef<[u8]>) -> Files {
    put(folder(), name, bytes)
}

fn put(mut files: Files, name: &str, bytes: impl AsRef<[u8]>) -> Files {
    files.retain(|file| file.0 != name);
    files.push((name.to_owned(), bytes.as_ref().to_vec()));
    files
}

fn without(mut files: Files, name: &str) -> Files {
    files.retain(|file| file.0 != name);
    files
}

/// The sharded folder with its index edited.
fn index(from: &str, to: &str) -> Files {
    let mut files = sharded_folder();
    if let Some((_, bytes)) = files.iter_mut().find(|file| file.0 == INDEX) {
        let text = String::from_utf8_lossy(bytes).replacen(from, to, 1);
        *bytes = text.into_bytes();
    }
    files
}

pub fn cases() -> Vec<Case> {
    let config = folder().swap_remove(0).1;
    let config = String::from_utf8_lossy(&config).into_owned();
    let norm = r#""model.norm.weight":"model-00002-of-00002.safetensors""#;
    vec![
        case("empty folder", &["model.safetensors", "none of them"], Vec::new()),
        case("only pickles", &["model.safetensors", "Python code"], put(Vec::new(), "pytorch_model.bin", b"x")),
        case(
            "two GGUF files",
            &["exactly one .gguf", "a.gguf, b.gguf"],
            put(put(Vec::new(), "a.gguf", gguf().bytes()), "b.gguf", gguf().bytes()),
        ),
        case("no config", &["config.json", "no such file"], without(folder(), "config.json")),
        case("no tokenizer", &["tokenizer.json", "no such file"], without(folder(), "tokenizer.json")),
        case(
            "config with BOM",
            &["config.json", "byte order mark", "BOM"],
            with("config.json", format!("\u{feff}{config}")),
        ),
        case(
            "config with comments",
            &["config.json", "line 1", "comments"],
            with("config.json", format!("{{ // sizes\n{}", &config[1..])),
        ),
        case(
            "config with block comments",
            &["config.json", "line 1", "comments"],
            with("config.json", format!("/* sizes */{config}")),
        ),
        case("config not an object", &["config.json", "line 1"], with("config.json", "[1]")),
        case("config cut short", &["config.json", "EOF"], with("config.json", &config[..40])),
        case("config not UTF-8", &["config.json", "UTF-8"], with("config.json", b"{\"\xff\":1}")),
        case(
            "config deep",
            &["config.json", "recursion"],
            with("config.json", format!("{{\"a\":{}", "[".repeat(100_000))),
        ),
        case("config of 5 MB", &["config.json", "file size"], with("config.json", vec![b' '; 5 << 20])),
        case("config a web page", &["config.json", "HTML"], with("config.json", HTML)),
        case("tokenizer a pointer", &["tokenizer.json", "git lfs pull"], with("tokenizer.json", LFS)),
        case("generation config cut short", &["generation_config.json", "line 1"], with("generation_config.json", "{")),
        case(
            "chat template a number",
            &["tokenizer_config.json", "chat_template"],
            with("tokenizer_config.json", r#"{"chat_template":5}"#),
        ),
        case(
            "chat templates without default",
            &["tokenizer_config.json", "chat_template"],
            with("tokenizer_config.json", r#"{"chat_template":[{"name":"x","template":"y"}]}"#),
        ),
        case("missing shard", &[INDEX, FIRST, "missing"], without(sharded_folder(), FIRST)),
        case(
            "extra shard",
            &[INDEX, "model-00003-of-00003.safetensors", "does not name"],
            put(sharded_folder(), "model-00003-of-00003.safetensors", shard(|_| true)),
        ),
        case("shards without index", &[INDEX, FIRST], without(sharded_folder(), INDEX)),
        case(
            "both whole and sharded",
            &[INDEX, "model.safetensors", "does not name"],
            put(sharded_folder(), "model.safetensors", shard(|_| true)),
        ),
        case(
            "absent tensor in index",
            &[INDEX, "lm_head.weight"],
            index(norm, &format!("{norm},\"lm_head.weight\":\"{FIRST}\"")),
        ),
        case("tensor not in index", &[INDEX, "model.norm.weight", "no such tensor"], index(&format!("{norm},"), "")),
        case(
            "tensor in another shard",
            &[INDEX, "model.norm.weight", FIRST],
            index(norm, &format!(r#""model.norm.weight":"{FIRST}""#)),
        ),
        case(
            "tensor in two shards",
            &[INDEX, "model.embed_tokens.weight"],
            put(sharded_folder(), FIRST, shard(|_| true)),
        ),
        case(
            "index with ../",
            &[INDEX, "model.norm.weight", "../m.safetensors"],
            index(norm, r#""model.norm.weight":"../m.safetensors""#),
        ),
        case(
            "index with an absolute path",
            &[INDEX, "model.norm.weight", "/m.safetensors"],
            index(norm, r#""model.norm.weight":"/m.safetensors""#),
        ),
        case(
            "index naming a pickle",
            &[INDEX, "model.norm.weight", "m.bin"],
            index(norm, r#""model.norm.weight":"m.bin""#),
        ),
        case("index without map", &[INDEX, "weight_map"], put(sharded_folder(), INDEX, "{}")),
        case("index naming nothing", &[INDEX, "weight_map"], put(sharded_folder(), INDEX, r#"{"weight_map":{}}"#)),
        case("duplicate in index", &[INDEX, "model.norm.weight", "duplicate"], index(norm, &format!("{norm},{norm}"))),
        case("shard a pointer", &[FIRST, "git lfs pull"], put(sharded_folder(), FIRST, LFS)),
        case("shard a web page", &[FIRST, "HTML"], put(sharded_folder(), FIRST, HTML)),
    ]
}
