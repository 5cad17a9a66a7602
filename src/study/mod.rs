//! A study: several forms of several models, measured alike, and the report of it.
//!
//! [`StudySettings`] say what is measured, [`Study`] measures it. What is quantized, answered or measured already is not
//! done again, so a study that was stopped goes on where it was.

pub mod conditions;
pub mod cost;
pub mod form_run;
pub mod forms;
pub mod machine;
pub mod matrix;
pub mod model;
pub mod scores;
pub mod session;
pub mod settings;
pub mod step;
pub mod texts;

pub use cost::Cost;
pub use forms::{Extras, Form};
pub use matrix::{Matrix, Preset};
pub use session::Study;
pub use settings::StudySettings;
