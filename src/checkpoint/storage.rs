//! Types of numbers in files: one list, from which reading, errors and tests follow.

use super::blocks;

/// Decodes whole blocks: `blocks.len() / bytes` of them fill `out` exactly.
pub type DecodeBlocks = fn(blocks: &[u8], out: &mut [f32]);

/// A storage type of GGUF or safetensors. Numbers lie in blocks of `elements` values and `bytes` bytes.
#[derive(Debug)]
pub struct Storage {
    /// The name both formats print: the safetensors dtype, or the ggml type.
    pub name: &'static str,
    /// The type's number in a GGUF file.
    pub ggml: Option<u32>,
    pub elements: usize,
    pub bytes: usize,
    /// None for integers, which are codes, indices or flags and no weights.
    pub decode: Option<DecodeBlocks>,
}

/// Every type this version reads. To add one: a function in `blocks.rs` and a line here.
pub static STORAGE: &[Storage] = &[
    float("F32", 0, 1, 4, blocks::f32),
    float("F16", 1, 1, 2, blocks::f16),
    float("BF16", 30, 1, 2, blocks::bf16),
    float("Q4_0", 2, 32, 18, blocks::nibbles::<18, false, false>),
    float("Q4_1", 3, 32, 20, blocks::nibbles::<20, true, false>),
    float("Q5_0", 6, 32, 22, blocks::nibbles::<22, false, true>),
    float("Q5_1", 7, 32, 24, blocks::nibbles::<24, true, true>),
    float("Q8_0", 8, 32, 34, blocks::q8_0),
    float("Q2_K", 10, 256, 84, blocks::q2_k),
    float("Q3_K", 11, 256, 110, blocks::q3_k),
    float("Q4_K", 12, 256, 144, blocks::super_nibbles::<144, false>),
    float("Q5_K", 13, 256, 176, blocks::super_nibbles::<176, true>),
    float("Q6_K", 14, 256, 210, blocks::q6_k),
    other("BOOL", 1),
    other("I8", 1),
    other("U8", 1),
    other("I16", 2),
    other("U16", 2),
    other("I32", 4),
    other("U32", 4),
    other("I64", 8),
    other("U64", 8),
    other("F64", 8),
];

impl Storage {
    /// Returns the type with this number in a GGUF file.
    pub fn from_ggml(id: u32) -> Option<&'static Storage> {
        STORAGE.iter().find(|storage| storage.ggml == Some(id))
    }

    /// Returns the type with this dtype in a safetensors header.
    pub fn from_dtype(dtype: &str) -> Option<&'static Storage> {
        // Blocks of several elements are GGUF's own.
        STORAGE.iter().find(|storage| storage.name == dtype && storage.elements == 1)
    }
}

const fn float(name: &'static str, ggml: u32, elements: usize, bytes: usize, decode: DecodeBlocks) -> Storage {
    Storage { name, ggml: Some(ggml), elements, bytes, decode: Some(decode) }
}

const fn other(name: &'static str, bytes: usize) -> Storage {
    Storage { name, ggml: None, elements: 1, bytes, decode: None }
}
