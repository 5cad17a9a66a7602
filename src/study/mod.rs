//! A study: several forms of several models, measured alike, and the report of it.
//!
//! [`StudySettings`] say what is measured, [`Study`] measures it. What is quantized, answered or measured already is not
//! done again, so a study that was stopped goes on where it was.

#[doc(hidden)]
pub mod conditions;
#[doc(hidden)]
pub mod cost;
#[doc(hidden)]
pub mod form_run;
#[doc(hidden)]
pub mod forms;
#[doc(hidden)]
pub mod machine;
#[doc(hidden)]
pub mod matrix;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod scores;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod settings;
#[doc(hidden)]
pub mod step;
#[doc(hidden)]
pub mod texts;

pub use cost::Cost;
pub use forms::Form;
pub use matrix::{Matrix, Preset};
pub use session::Study;
pub use settings::StudySettings;
