//! A tiny sound model as GGUF and as a Hugging Face folder, built so that a test can spoil any part.

use qwgpu::Result;
use qwgpu::checkpoint::{Checkpoint, SourceFile};

use crate::Files;

pub const SHARED_FIELDS: &[&str] = &[
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "rms_norm_eps",
    "rope_theta",
    "max_position_embeddings",
    "vocab_size",
    "tie_word_embeddings",
];

/// GGUF name, Hugging Face name, dimensions as GGUF orders them.
const TENSORS: &[(&str, &str, &[u64])] = &[
    ("token_embd.weight", "model.embed_tokens.weight", &[8, 32]),
    ("output_norm.weight", "model.norm.weight", &[8]),
    ("blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight", &[8]),
    ("blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", &[8, 8]),
    ("blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias", &[8]),
    ("blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight", &[8, 4]),
    ("blk.0.attn_k.bias", "model.layers.0.self_attn.k_proj.bias", &[4]),
    ("blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight", &[8, 4]),
    ("blk.0.attn_v.bias", "model.layers.0.self_attn.v_proj.bias", &[4]),
    ("blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight", &[8, 8]),
    ("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight", &[8]),
    ("blk.0.ffn_gate.weight", "model.layers.0.mlp.gate_proj.weight", &[8, 16]),
    ("blk.0.ffn_up.weight", "model.layers.0.mlp.up_proj.weight", &[8, 16]),
    ("blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight", &[16, 8]),
];

/// A GGUF file in parts.
#[derive(Clone)]
pub struct Gguf {
    pub start: Vec<u8>,
    pub tensor_count: Option<u64>,
    pub key_count: Option<u64>,
    /// Names and values, the type number in front.
    pub keys: Vec<(Vec<u8>, Vec<u8>)>,
    pub tensors: Vec<Tensor>,
}

#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub dims: Vec<u64>,
    pub kind: u32,
    /// None: after the tensor before it.
    pub offset: Option<u64>,
    pub data: Vec<u8>,
}

pub fn gguf() -> Gguf {
    let key = |name: &str, value: Vec<u8>| (name.as_bytes().to_vec(), value);
    let tokens: Vec<String> = (0..32).map(|id| format!("t{id}")).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let tensor = |(seed, (name, _, dims)): (usize, &(&str, &str, &[u64]))| Tensor {
        name: (*name).to_owned(),
        dims: dims.to_vec(),
        kind: 0,
        offset: None,
        data: values(seed, dims.iter().product()),
    };
    Gguf {
        start: b"GGUF\x03\0\0\0".to_vec(),
        tensor_count: None,
        key_count: None,
        keys: vec![
            key("general.architecture", text("qwen2")),
            key("general.alignment", u32(32)),
            key("qwen2.embedding_length", u32(8)),
            key("qwen2.feed_forward_length", u32(16)),
            key("qwen2.block_count", u32(1)),
            key("qwen2.attention.head_count", u32(2)),
            key("qwen2.attention.head_count_kv", u32(1)),
            key("qwen2.context_length", u32(64)),
            key("qwen2.attention.layer_norm_rms_epsilon", f32(1e-6)),
            key("qwen2.rope.freq_base", f32(1e6)),
            key("tokenizer.ggml.model", text("gpt2")),
            key("tokenizer.ggml.pre", text("qwen2")),
            key("tokenizer.ggml.tokens", texts(&tokens)),
            key("tokenizer.ggml.token_type", array(5, 32, &[1, 0, 0, 0].repeat(32))),
            key("tokenizer.ggml.merges", texts(&["t 1", "t 2"])),
            key("tokenizer.ggml.eos_token_id", u32(2)),
            key("tokenizer.ggml.bos_token_id", u32(1)),
            key("tokenizer.ggml.add_bos_token", vec![7, 0, 0, 0, 0]),
            key("tokenizer.chat_template", text("{{ messages }}")),
        ],
        tensors: TENSORS.iter().enumerate().map(tensor).collect(),
    }
}

/// The sample with token embeddings of Q5_0 blocks.
pub fn quantized() -> Checkpoint {
    let mut gguf = gguf();
    let embeddings = gguf.tensor("token_embd.weight");
    embeddings.kind = 6;
    embeddings.dims = vec![32, 32];
    embeddings.data = (0..32 * 22).map(|i| (i * 37 % 251) as u8).collect();
    for block in embeddings.data.chunks_mut(22) {
        block[1] = 0x24; // scales near 2^-6
    }
    gguf.open().unwrap()
}

/// The sample as llama.cpp's converter writes a Llama: without biases, and the rows of each head of queries
/// and keys, which Hugging Face rotates as two halves, with the halves' rows in turn.
pub fn llama() -> Gguf {
    let mut gguf = gguf();
    for (name, value) in &mut gguf.keys {
        *name = String::from_utf8(name.clone()).unwrap().replace("qwen2.", "llama.").into_bytes();
        if name == b"general.architecture" {
            *value = text("llama");
        }
    }
    gguf.tensors.retain(|tensor| !tensor.name.ends_with(".bias"));
    for name in ["blk.0.attn_q.weight", "blk.0.attn_k.weight"] {
        let data = &mut gguf.tensor(name).data;
        // Heads of four rows, rows of eight values of four bytes.
        let heads = data.chunks_exact(4 * 32);
        *data = heads.flat_map(|head| [0, 2, 1, 3].map(|row| &head[row * 32..][..32]).concat()).collect();
    }
    gguf
}

impl Gguf {
    pub fn key(&mut self, name: &str) -> &mut Vec<u8> {
        let found = self.keys.iter_mut().find(|key| key.0 == name.as_bytes());
        &mut found.unwrap().1
    }

    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        let found = self.tensors.iter_mut().find(|tensor| tensor.name == name);
        found.unwrap()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.start.clone();
        let tensors = self.tensor_count.unwrap_or(self.tensors.len() as u64);
        bytes.extend(tensors.to_le_bytes());
        let keys = self.key_count.unwrap_or(self.keys.len() as u64);
        bytes.extend(keys.to_le_bytes());
        for (name, value) in &self.keys {
            bytes.extend(string(name));
            bytes.extend(value);
        }
        let mut data = Vec::new();
        for tensor in &self.tensors {
            bytes.extend(string(tensor.name.as_bytes()));
            bytes.extend((tensor.dims.len() as u32).to_le_bytes());
            for dim in &tensor.dims {
                bytes.extend(dim.to_le_bytes());
            }
            bytes.extend(tensor.kind.to_le_bytes());
            let offset = tensor.offset.unwrap_or(data.len() as u64);
            bytes.extend(offset.to_le_bytes());
            data.extend(&tensor.data);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(data);
        bytes
    }

    pub fn open(&self) -> Result<Checkpoint> {
        Checkpoint::from_gguf(SourceFile::memory("sample.gguf", self.bytes()))
    }
}

fn values(seed: usize, count: u64) -> Vec<u8> {
    let value = |i: u64| (((i as usize * 31 + seed * 17) % 101) as f32 - 50.0) / 64.0;
    (0..count).flat_map(|i| value(i).to_le_bytes()).collect()
}

pub fn string(bytes: &[u8]) -> Vec<u8> {
    let mut string = (bytes.len() as u64).to_le_bytes().to_vec();
    string.extend(bytes);
    string
}

pub fn text(text: &str) -> Vec<u8> {
    [vec![8, 0, 0, 0], string(text.as_bytes())].concat()
}

pub fn u32(value: u32) -> Vec<u8> {
    [[4, 0, 0, 0], value.to_le_bytes()].concat()
}

pub fn f32(value: f32) -> Vec<u8> {
    [[6, 0, 0, 0], value.to_le_bytes()].concat()
}

pub fn array(element: u32, count: u64, elements: &[u8]) -> Vec<u8> {
    let mut array = vec![9, 0, 0, 0];
    array.extend(element.to_le_bytes());
    array.extend(count.to_le_bytes());
    array.extend(elements);
    array
}

pub fn texts(texts: &[&str]) -> Vec<u8> {
    let strings: Vec<u8> = texts.iter().flat_map(|text| string(text.as_bytes())).collect();
    array(8, texts.len() as u64, &strings)
}

/// A safetensors file with this header.
pub fn safetensors(header: impl AsRef<[u8]>, data: &[u8]) -> Vec<u8> {
    let mut bytes = string(header.as_ref());
    bytes.extend(data);
    bytes
}

/// The sample's tensors, some of them, as a safetensors file.
pub fn shard(wanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut header = vec![r#""__metadata__":{"format":"pt"}"#.to_owned()];
    let mut data = Vec::new();
    for (seed, (_, name, dims)) in TENSORS.iter().enumerate() {
        if wanted(name) {
            let shape: Vec<u64> = dims.iter().rev().copied().collect();
            let begin = data.len();
            data.extend(values(seed, dims.iter().product()));
            let end = data.len();
            header.push(format!(r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#));
        }
    }
    safetensors(format!("{{{}}}  ", header.join(",")), &data)
}

/// The sample as a folder with one safetensors file.
pub fn folder() -> Files {
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    vec![
        file(
            "config.json",
            r#"{"model_type":"qwen2","hidden_size":8,"intermediate_size":16,"num_hidden_layers":1,
"num_attention_heads":2,"num_key_value_heads":1,"rms_norm_eps":1e-6,"rope_theta":1000000.0,
"max_position_embeddings":64,"vocab_size":32,"tie_word_embeddings":true}"#,
        ),
        file("generation_config.json", r#"{"eos_token_id":2,"bos_token_id":1}"#),
        file("tokenizer.json", "{}"),
        file(
            "tokenizer_config.json",
            r#"{"chat_template":[{"name":"tools","template":"x"},{"name":"default","template":"{{ messages }}"}]}"#,
        ),
        ("model.safetensors".to_owned(), shard(|_| true)),
    ]
}

/// The sample as a folder with two shards and their index.
pub fn sharded_folder() -> Files {
    let mut files = folder();
    files.pop();
    let first = |name: &str| name.contains("self_attn");
    let (one, two) = (shard(first), shard(|name| !first(name)));
    files.push(("model-00001-of-00002.safetensors".to_owned(), one));
    files.push(("model-00002-of-00002.safetensors".to_owned(), two));
    let named: Vec<String> = TENSORS
        .iter()
        .map(|(_, name, _)| {
            let number = if first(name) { 1 } else { 2 };
            format!(r#""{name}":"model-0000{number}-of-00002.safetensors""#)
        })
        .collect();
    let index = format!(r#"{{"metadata":{{"total_size":1}},"weight_map":{{{}}}}}"#, named.join(","));
    files.push(("model.safetensors.index.json".to_owned(), index.into_bytes()));
    files
}
