//! A study: several forms of several models, measured alike, and the report of it.
//!
//! [`StudySettings`] say what is measured, [`Study`] measures it. What is quantized, answered or measured already is not
//! done again, so a study that was stopped goes on where it was.

mod adapters;
mod conditions;
mod cost;
mod form_run;
mod matrix;
pub mod memory_speed;
mod model;
mod scores;
mod session;
mod settings;
mod step;
#[doc(hidden)]
pub mod texts;

pub use cost::{Cost, ModelCost};
pub use matrix::{Matrix, ModelForm};
pub use session::Study;
pub use settings::StudySettings;
