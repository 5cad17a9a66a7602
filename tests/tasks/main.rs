//! The tasks: readers of their data, prompts, scores; without a model.

mod choice;
mod data_files;
#[path = "../common/errors.rs"]
mod errors;
mod every_task;
#[path = "../common/files.rs"]
mod files;
mod followbench;
#[path = "../common/prompts.rs"]
mod prompts;
mod reply;
mod settings;
