//! safetensors files that must be refused.

use crate::sample::{folder, safetensors};
use crate::{Case, Files, case};

const FILE: &str = "model.safetensors";

/// The sample folder with this in place of its weights.
fn file(bytes: Vec<u8>) -> Files {
    let mut files = folder();
    files.pop();
    files.push((FILE.to_owned(), bytes));
    files
}

/// A file of 16 bytes of data with this header.
fn header(header: impl AsRef<[u8]>) -> Files {
    file(safetensors(header, &[0; 16]))
}

/// A header with a tensor "a" like this.
fn one(dtype: &str, shape: &str, offsets: &str) -> Files {
    header(format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#))
}

/// A header with a sound tensor of this name.
fn named(name: &str) -> Files {
    header(format!(r#"{{"{name}":{{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}}}"#))
}

/// A header with two tensors of 8 bytes each at these offsets.
fn two(names: [&str; 2], offsets: [&str; 2]) -> Files {
    let entry = |i: usize| {
        let (name, offsets) = (names[i], offsets[i]);
        format!(r#""{name}":{{"dtype":"F32","shape":[2],"data_offsets":{offsets}}}"#)
    };
    header(format!("{{{},{}}}", entry(0), entry(1)))
}

fn length(length: u64) -> Files {
    file([&length.to_le_bytes()[..], b"{}      "].concat())
}

pub fn cases() -> Vec<Case> {
    let deep = format!(r#"{{"a":{}"#, "[".repeat(50_000));
    let deep_metadata = format!(r#"{{"__metadata__":{}"#, r#"{"a":"#.repeat(50_000));
    let whole = folder().pop().map(|file| file.1).unwrap_or_default();
    let a = "tensor a";
    let long_shape = format!("[{}1]", "1,".repeat(20_000));
    vec![
        case("empty", &[FILE, "header length"], file(Vec::new())),
        case("7 bytes", &[FILE, "header length"], file(vec![0; 7])),
        case("header length 0", &[FILE, "header length", "found 0"], length(0)),
        case("header length 2^64-1", &[FILE, "header length"], length(u64::MAX)),
        case("header length 100 MB", &[FILE, "header length"], length(100_000_000)),
        case("Git LFS pointer", &[FILE, "git lfs pull"], file(super::bad_gguf::LFS.to_vec())),
        case("HTML page", &[FILE, "HTML"], file(super::bad_gguf::HTML.to_vec())),
        case("not JSON", &[FILE, "header"], header("{a tensor}")),
        case("not an object", &[FILE, "header", "object"], header("[1, 2]")),
        case("a space in front", &[FILE, "header", "first byte"], header(" {}")),
        case("two objects", &[FILE, "header", "trailing"], header("{} {}")),
        case("not UTF-8", &[FILE, "header", "UTF-8"], header(b"{\"\xff\":1}")),
        case("no tensors", &[FILE, "header", "at least one tensor"], header("{}")),
        case("only metadata", &[FILE, "header", "at least one tensor"], header(r#"{"__metadata__":{"format":"pt"}}"#)),
        case("duplicate, other range", &[FILE, a, "duplicate"], two(["a", "a"], ["[0,8]", "[8,16]"])),
        case("duplicate, same range", &[FILE, a, "duplicate"], two(["a", "a"], ["[0,8]", "[0,8]"])),
        case("duplicate that fills the file", &[FILE, a, "duplicate"], {
            let entry = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
            file(safetensors(format!("{{{entry},{entry}}}"), &[0; 8]))
        }),
        case("duplicate by escape", &[FILE, a, "duplicate"], two(["a", "\\u0061"], ["[0,8]", "[8,16]"])),
        case(
            "duplicate field",
            &[FILE, "header", "a: duplicate field `dtype`"],
            header(r#"{"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#),
        ),
        case("overlap", &[FILE, "tensor b", "overlap"], two(["a", "b"], ["[0,8]", "[4,12]"])),
        case("same range", &[FILE, "tensor b", "overlap"], two(["a", "b"], ["[0,8]", "[0,8]"])),
        case("gap", &[FILE, "tensor b", "gap"], two(["a", "b"], ["[0,8]", "[12,20]"])),
        case("gap in front", &[FILE, a, "gap"], one("F32", "[3]", "[4,16]")),
        case("trailing bytes", &[FILE, "data", "found 16"], one("F32", "[2]", "[0,8]")),
        case("truncated data", &[FILE, "data_offsets"], file(whole[..whole.len() - 4].to_vec())),
        case("truncated header", &[FILE, "header length"], file(whole[..100].to_vec())),
        case("reversed offsets", &[FILE, a, "data_offsets"], one("F32", "[4]", "[16,0]")),
        case("float offsets", &[FILE, "a: ", "16.0"], one("F32", "[4]", "[0,16.0]")),
        case("negative offset", &[FILE, "a: ", "-16"], one("F32", "[4]", "[-16,0]")),
        case("three offsets", &[FILE, "a: "], one("F32", "[4]", "[0,8,16]")),
        case("one offset", &[FILE, "a: "], one("F32", "[4]", "[16]")),
        case("shape of other size", &[FILE, a, "shape", "20 bytes"], one("F32", "[5]", "[0,16]")),
        case("shape overflow", &[FILE, a, "shape"], one("F32", "[4294967296,4294967296,4]", "[0,16]")),
        case("shape beyond u64", &[FILE, "a: "], one("F32", "[18446744073709551616]", "[0,16]")),
        case("negative shape", &[FILE, "a: ", "-4"], one("F32", "[-4]", "[0,16]")),
        case("shape of 20,001", &[FILE, "a: ", "at most 8"], one("F32", &long_shape, "[0,16]")),
        case("shape a string", &[FILE, "a: "], one("F32", "\"4\"", "[0,16]")),
        case("unknown dtype", &[FILE, a, "dtype", "BF16"], one("F4_E9", "[4]", "[0,16]")),
        case("GGUF dtype", &[FILE, a, "dtype", "Q8_0"], one("Q8_0", "[4]", "[0,16]")),
        case("dtype a number", &[FILE, "a: "], header(r#"{"a":{"dtype":1,"shape":[4],"data_offsets":[0,16]}}"#)),
        case(
            "unknown field",
            &[FILE, "a: ", "extra"],
            header(r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"extra":1}}"#),
        ),
        case("missing field", &[FILE, "a: ", "shape"], header(r#"{"a":{"dtype":"F32","data_offsets":[0,16]}}"#)),
        case("deep JSON", &[FILE, "a: "], header(deep)),
        case("deep metadata", &[FILE, "__metadata__"], header(deep_metadata)),
        case(
            "non-string metadata",
            &[FILE, "__metadata__"],
            header(r#"{"__metadata__":{"format":1},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#),
        ),
        case("name with ../", &[FILE, "tensor name", "../a"], named("../a")),
        case("absolute name", &[FILE, "tensor name", "/etc/a"], named("/etc/a")),
        case("name with \\", &[FILE, "tensor name"], named("C:\\\\a")),
        case("name ..", &[FILE, "tensor name"], named("..")),
        case("name with NUL", &[FILE, "tensor name"], named("a\\u0000b")),
        case("empty name", &[FILE, "tensor name"], named("")),
        case("NaN weight", &[FILE, "tensor a, element 3", "NaN"], {
            let header = r#"{"a":{"dtype":"BF16","shape":[8],"data_offsets":[0,16]}}"#;
            let mut data = [0; 16];
            data[6..8].copy_from_slice(&0x7fc1u16.to_le_bytes());
            file(safetensors(header, &data))
        }),
        case("infinite weight", &[FILE, "tensor a, element 7", "inf"], {
            let header = r#"{"a":{"dtype":"F16","shape":[8],"data_offsets":[0,16]}}"#;
            let mut data = [0; 16];
            data[14..].copy_from_slice(&0xfc00u16.to_le_bytes());
            file(safetensors(header, &data))
        }),
        case("integers as weights", &[FILE, "tensor a", "I32"], one("I32", "[4]", "[0,16]")),
    ]
}
