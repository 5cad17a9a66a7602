//! GGUF files that are sound as containers and must be refused as models, or for their size.

use crate::bad_gguf::{file, spoilt, with_key, with_tensor, with_value};
use crate::sample::{self, Tensor, array, gguf, string, text, texts, u32};
use crate::{Case, Files, case};

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "unknown architecture",
            &["bad.gguf", "general.architecture", "gpt9", "known here: qwen2"],
            with_value("general.architecture", text("gpt9")),
        ),
        case("split file", &["bad.gguf", "split.count", "merge"], with_key("split.count", vec![2, 0, 0, 0, 3, 0])),
        case(
            "unknown tensor",
            &["bad.gguf", "blk.0.attn_sinks.weight"],
            with_tensor(|tensor| tensor.name = "blk.0.attn_sinks.weight".to_owned()),
        ),
        case(
            "layer number with a sign",
            &["bad.gguf", "blk.+0.attn_q.weight"],
            with_tensor(|tensor| tensor.name = "blk.+0.attn_q.weight".to_owned()),
        ),
        case(
            "no embeddings",
            &["bad.gguf", "token_embd.weight"],
            spoilt(|gguf| {
                gguf.tensors.remove(0);
            }),
        ),
        case(
            "number as a string",
            &["bad.gguf", "qwen2.block_count", "a number"],
            with_value("qwen2.block_count", text("1")),
        ),
        case(
            "eps NaN",
            &["bad.gguf", "layer_norm_rms_epsilon", "NaN"],
            with_value("qwen2.attention.layer_norm_rms_epsilon", sample::f32(f32::NAN)),
        ),
        case(
            "another tokenizer",
            &["bad.gguf", "tokenizer.ggml.model bert"],
            with_value("tokenizer.ggml.model", text("bert")),
        ),
        case(
            "SentencePiece without scores",
            &["bad.gguf", "tokenizer.ggml.scores", "32-bit floats"],
            with_value("tokenizer.ggml.model", text("llama")),
        ),
        case(
            "SentencePiece with a score NaN",
            &["bad.gguf", "tokenizer.ggml.scores, element 31", "NaN"],
            spoilt(|gguf| {
                *gguf.key("tokenizer.ggml.model") = text("llama");
                let scores = [vec![0; 31 * 4], f32::NAN.to_le_bytes().to_vec()].concat();
                gguf.keys.push((b"tokenizer.ggml.scores".to_vec(), array(6, 32, &scores)));
            }),
        ),
        case(
            "heads rotated in part",
            &["bad.gguf", "qwen2.rope.dimension_count 2", "heads of 4"],
            with_key("qwen2.rope.dimension_count", u32(2)),
        ),
        case("interleaved rows that no heads divide", &["bad.gguf", "q_proj.weight, dimensions", "2 heads"], {
            let mut gguf = sample::llama();
            let q = gguf.tensor("blk.0.attn_q.weight");
            (q.dims[1], q.data) = (6, vec![0; 6 * 32]);
            file(gguf.bytes())
        }),
        case("no heads", &["bad.gguf", "q_proj.weight, dimensions", "0 heads"], {
            let mut gguf = sample::llama();
            *gguf.key("llama.attention.head_count") = u32(0);
            file(gguf.bytes())
        }),
        case(
            "factors of another head",
            &["bad.gguf", "rope_freqs.weight", "2, half of a head"],
            with_factors(&[1.0; 3], None),
        ),
        case("factor of zero", &["bad.gguf", "rope_freqs.weight", "positive"], with_factors(&[1.0, 0.0], None)),
        case(
            "factors and another scaling",
            &["bad.gguf", "rope.scaling.type", "rope_freqs.weight"],
            with_factors(&[1.0; 2], Some("yarn")),
        ),
        case(
            "more tokens than rows",
            &["bad.gguf", "tokenizer.ggml.tokens", "33"],
            with_value("tokenizer.ggml.tokens", texts(&["x"; 33])),
        ),
        case(
            "token types of another length",
            &["bad.gguf", "tokenizer.ggml.token_type", "31"],
            with_value("tokenizer.ggml.token_type", array(5, 31, &[0; 124])),
        ),
        case(
            "tokens that are numbers",
            &["bad.gguf", "tokenizer.ggml.tokens", "strings"],
            with_value("tokenizer.ggml.tokens", array(4, 2, &[0; 8])),
        ),
        case(
            "token not UTF-8",
            &["bad.gguf", "tokenizer.ggml.tokens", "UTF-8"],
            with_value("tokenizer.ggml.tokens", array(8, 1, &string(b"\xc3"))),
        ),
        case(
            "merges missing",
            &["bad.gguf", "tokenizer.ggml.merges"],
            spoilt(|gguf| gguf.keys.retain(|key| key.0 != b"tokenizer.ggml.merges")),
        ),
        case(
            "eos beyond the tokens",
            &["bad.gguf", "tokenizer.ggml.eos_token_id", "32"],
            with_value("tokenizer.ggml.eos_token_id", u32(32)),
        ),
        case(
            "NaN weight",
            &["bad.gguf", "q_proj.weight, element 5", "NaN"],
            with_tensor(|tensor| tensor.data[20..24].copy_from_slice(&f32::NAN.to_le_bytes())),
        ),
        case(
            "block with an infinite scale",
            &["bad.gguf", "q_proj.weight, element 0", "inf"],
            with_tensor(|tensor| {
                tensor.kind = 8;
                tensor.dims = vec![32, 32];
                tensor.data = vec![1; 32 * 34];
                tensor.data[..2].copy_from_slice(&[0, 0x7c]);
            }),
        ),
    ]
}

/// The Llama sample with factors of the rotation's frequencies, and a type of scaling.
fn with_factors(factors: &[f32], scaling: Option<&str>) -> Files {
    let mut gguf = sample::llama();
    let data = factors.iter().flat_map(|factor| factor.to_le_bytes()).collect();
    let (name, dims) = ("rope_freqs.weight".to_owned(), vec![factors.len() as u64]);
    gguf.tensors.push(Tensor { name, dims, kind: 0, offset: None, data });
    gguf.keys.extend(scaling.map(|kind| (b"llama.rope.scaling.type".to_vec(), text(kind))));
    file(gguf.bytes())
}

/// As many keys as a header may have, each as small as can be.
pub fn many_keys() -> Vec<u8> {
    let mut gguf = gguf();
    gguf.keys = (0..1024).map(|i| (format!("{i:x}").into_bytes(), vec![0, 0, 0, 0, 0])).collect();
    gguf.bytes()
}

/// A million empty tokens.
pub fn many_tokens() -> Vec<u8> {
    let mut gguf = gguf();
    *gguf.key("tokenizer.ggml.tokens") = array(8, 1 << 20, &vec![0; 8 << 20]);
    let embeddings = gguf.tensor("token_embd.weight");
    embeddings.dims = vec![1, 1 << 20];
    embeddings.data = vec![0; 4 << 20];
    gguf.bytes()
}

/// As many tensors as a header may have, each as small as can be.
pub fn many_tensors() -> Vec<u8> {
    let mut gguf = gguf();
    gguf.tensors = (0..16_384)
        .map(|i| Tensor { name: format!("{i:x}"), dims: vec![1], kind: 0, offset: None, data: vec![0; 4] })
        .collect();
    gguf.bytes()
}
