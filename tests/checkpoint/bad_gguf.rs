//! GGUF files that must be refused.

use crate::sample::{Gguf, Tensor, array, gguf, string, text, u32};
use crate::{Case, Files, case};

pub fn file(bytes: Vec<u8>) -> Files {
    vec![("bad.gguf".to_owned(), bytes)]
}

/// The sample after `spoil`.
pub fn spoilt(spoil: impl FnOnce(&mut Gguf)) -> Files {
    let mut gguf = gguf();
    spoil(&mut gguf);
    file(gguf.bytes())
}

/// The sample with one more key.
pub fn with_key(name: impl AsRef<[u8]>, value: Vec<u8>) -> Files {
    spoilt(|gguf| gguf.keys.push((name.as_ref().to_vec(), value)))
}

/// The sample with another value of a key.
pub fn with_value(name: &str, value: Vec<u8>) -> Files {
    spoilt(|gguf| *gguf.key(name) = value)
}

/// The sample with one tensor changed.
pub fn with_tensor(spoil: impl FnOnce(&mut Tensor)) -> Files {
    spoilt(|gguf| spoil(gguf.tensor("blk.0.attn_q.weight")))
}

/// Only a header that claims more than it has.
fn start(tensors: u64, keys: u64, rest: &[u8]) -> Files {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend(tensors.to_le_bytes());
    bytes.extend(keys.to_le_bytes());
    bytes.extend(rest);
    file(bytes)
}

/// A key named "k" whose value starts like this.
fn one_key(value: &[u8]) -> Files {
    start(1, 1, &[&string(b"k"), value].concat())
}

fn version(version: u32) -> Files {
    spoilt(|gguf| gguf.start[4..].copy_from_slice(&version.to_le_bytes()))
}

pub fn cases() -> Vec<Case> {
    let whole = gguf().bytes();
    let q = "blk.0.attn_q.weight";
    let nested: Vec<u8> = [9u32.to_le_bytes().to_vec(), 1u64.to_le_bytes().to_vec()].concat();
    let nested = [vec![9, 0, 0, 0], nested.repeat(20_000)].concat();
    let two = |name: &str| {
        let name = name.to_owned();
        spoilt(move |gguf| {
            let copy = gguf.tensor(&name).clone();
            gguf.tensors.push(copy);
        })
    };
    vec![
        case("empty", &["bad.gguf", "magic"], file(Vec::new())),
        case("3 bytes", &["bad.gguf", "magic"], file(b"GGU".to_vec())),
        case("wrong magic", &["bad.gguf", "magic"], file(vec![b'x'; 64])),
        case(
            "byte-swapped magic",
            &["bad.gguf", "magic", "byte-swapped"],
            spoilt(|gguf| gguf.start[..4].copy_from_slice(b"FUGG")),
        ),
        case("version 0", &["bad.gguf", "version", "found 0"], version(0)),
        case("version 1", &["bad.gguf", "version", "found 1"], version(1)),
        case("version 99", &["bad.gguf", "version", "found 99"], version(99)),
        case("big-endian", &["bad.gguf", "big-endian"], version(3 << 24)),
        case("Git LFS pointer", &["bad.gguf", "git lfs pull"], file(LFS.to_vec())),
        case("HTML page", &["bad.gguf", "HTML"], file(HTML.to_vec())),
        case("2^40 tensors", &["bad.gguf", "tensor count"], start(1 << 40, 1, &[0; 64])),
        case("2^63 tensors", &["bad.gguf", "tensor count"], start(1 << 63, 1, &[0; 64])),
        case("no tensors", &["bad.gguf", "tensor count"], start(0, 0, &[])),
        case("2^40 keys", &["bad.gguf", "key count"], start(1, 1 << 40, &[0; 64])),
        case("2^63 keys", &["bad.gguf", "key count"], start(1, 1 << 63, &[0; 64])),
        case(
            "key of 2^63 bytes",
            &["bad.gguf", "key 0"],
            start(1, 1, &[&(1u64 << 63).to_le_bytes()[..], &[0; 64]].concat()),
        ),
        case(
            "key of 2^64-1 bytes",
            &["bad.gguf", "key 0"],
            start(1, 1, &[&u64::MAX.to_le_bytes()[..], &[0; 64]].concat()),
        ),
        case("string of 2^63 bytes", &["bad.gguf", "k: "], one_key(&long(1 << 63))),
        case("string of 2^64-1 bytes", &["bad.gguf", "k: "], one_key(&long(u64::MAX))),
        case("string of 1 GiB", &["bad.gguf", "k: "], one_key(&long(1 << 30))),
        case("array of 2^63 numbers", &["bad.gguf", "k: ", "elements"], one_key(&array(4, 1 << 63, &[0; 64]))),
        case("2^30 strings", &["bad.gguf", "k: ", "elements"], one_key(&array(8, 1 << 30, &[0; 64]))),
        case("array that ends in its strings", &["bad.gguf", "k: "], one_key(&array(8, 8, &[0xff; 64]))),
        case("20,000 nested arrays", &["bad.gguf", "k: ", "arrays"], one_key(&nested)),
        case("unknown value type", &["bad.gguf", "k: ", "13"], with_key("k", vec![13, 0, 0, 0])),
        case("unknown element type", &["bad.gguf", "k: ", "13"], with_key("k", array(13, 1, &[0; 8]))),
        case("bool 7", &["bad.gguf", "k: ", "bool"], with_key("k", vec![7, 0, 0, 0, 7])),
        case("key not UTF-8", &["bad.gguf", "key 19", "UTF-8"], with_key(b"\xff\xfe", u32(0))),
        case("key with NUL", &["bad.gguf", "key 19"], with_key("a\0b", u32(0))),
        case("empty key", &["bad.gguf", "key 19"], with_key("", u32(0))),
        case("duplicate key", &["bad.gguf", "qwen2.block_count", "duplicate"], with_key("qwen2.block_count", u32(1))),
        case("duplicate tensor", &["bad.gguf", q, "duplicate"], two(q)),
        case("alignment 0", &["bad.gguf", "general.alignment"], alignment(u32(0))),
        case("alignment 3", &["bad.gguf", "general.alignment"], alignment(u32(3))),
        case("alignment 2^30", &["bad.gguf", "general.alignment"], alignment(u32(1 << 30))),
        case("alignment a string", &["bad.gguf", "general.alignment"], alignment(text("32"))),
        case("0 dimensions", &["bad.gguf", q, "dimension count"], with_tensor(|tensor| tensor.dims.clear())),
        case(
            "5 dimensions",
            &["bad.gguf", q, "dimension count"],
            with_tensor(|tensor| tensor.dims = vec![32, 32, 1, 1, 1]),
        ),
        case(
            "2^32-1 dimensions",
            &["bad.gguf", "tensor t", "dimension count"],
            start(1, 0, &[&string(b"t")[..], &[0xff; 4], &[0; 64]].concat()),
        ),
        case(
            "dimensions whose product wraps",
            &["bad.gguf", q, "dimensions"],
            with_tensor(|tensor| tensor.dims = vec![1 << 32, 1 << 32]),
        ),
        case(
            "bytes that wrap",
            &["bad.gguf", q, "dimensions"],
            with_tensor(|tensor| tensor.dims = vec![2, (1 << 63) - 1]),
        ),
        case("a dimension of 0", &["bad.gguf", q, "dimensions"], with_tensor(|tensor| tensor.dims = vec![32, 0])),
        case("unknown tensor type", &["bad.gguf", q, "type", "Q4_K"], with_tensor(|tensor| tensor.kind = 77)),
        case(
            "a Q4_K row of 33",
            &["bad.gguf", q, "rows of 33"],
            with_tensor(|tensor| {
                tensor.kind = 12;
                tensor.dims = vec![33, 32];
            }),
        ),
        case("offset past the end", &["bad.gguf", q, "offset"], with_tensor(|tensor| tensor.offset = Some(1 << 20))),
        case("offset near 2^64", &["bad.gguf", q, "offset"], with_tensor(|tensor| tensor.offset = Some(u64::MAX - 31))),
        case("offset 2^64-1", &["bad.gguf", q, "offset"], with_tensor(|tensor| tensor.offset = Some(u64::MAX))),
        case("unaligned offset", &["bad.gguf", q, "alignment"], with_tensor(|tensor| tensor.offset = Some(36))),
        case("overlap", &["bad.gguf", "offset", "overlap"], with_tensor(|tensor| tensor.offset = Some(32))),
        case("truncated data", &["bad.gguf", "ffn_down", "offset"], file(whole[..whole.len() - 64].to_vec())),
        case("truncated header", &["bad.gguf", "count"], file(whole[..200].to_vec())),
        case(
            "truncated tensor infos",
            &["bad.gguf", "tensor"],
            file(whole[..whole.len() - whole_data() - 300].to_vec()),
        ),
    ]
}

pub const LFS: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
pub const HTML: &[u8] = b"\n<!DOCTYPE html><html><body>Sign in</body></html>";

fn long(length: u64) -> Vec<u8> {
    [&[8, 0, 0, 0][..], &length.to_le_bytes(), &[b'x'; 64]].concat()
}

fn alignment(value: Vec<u8>) -> Files {
    with_value("general.alignment", value)
}

/// Bytes of the sample's data section.
fn whole_data() -> usize {
    let tensors = gguf().tensors;
    tensors.iter().map(|tensor| tensor.data.len().next_multiple_of(32)).sum()
}
