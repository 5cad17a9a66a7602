//! The library below the command line: files of models and quantized weights, and several sequences at once.

mod batch;
mod bench;
#[path = "../common/compare.rs"]
mod compare;
#[path = "../common/devices.rs"]
mod devices;
#[path = "../common/errors.rs"]
mod errors;
mod families;
#[path = "../common/files.rs"]
mod files;
mod formats;
mod fused;
mod fuzz_corpus;
mod gguf_blocks;
mod lm_head;
mod lookup;
#[path = "../common/micro.rs"]
mod micro;
mod model_config;
mod progress;
mod quantized_files;
mod sample;
mod schedule;
mod tune;
