//! The built command, from arguments to output, files and exit codes.

mod bounds;
mod chat;
mod cli;
#[path = "../common/command.rs"]
mod command;
#[path = "../common/compare.rs"]
mod compare;
mod doctor;
#[path = "../common/errors.rs"]
mod errors;
mod eval;
#[path = "../common/files.rs"]
mod files;
mod judge;
mod lm_head;
mod manners;
mod method_options;
#[path = "../common/micro.rs"]
mod micro;
mod packed;
mod quantize;
mod shader;
mod shaders_page;
mod study;
mod study_matrix;
mod tune;
mod word_perplexity;
