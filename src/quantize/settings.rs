//! Everything that decides the bytes of a quantized model.

use serde_json::Value;

use crate::error::Result;
use crate::formats::file::FolderWriter;
use crate::formats::method::{FeedbackPlace, MethodOptions, Quant, Recipe, RunOptions};

/// Method, width and options of a quantization run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Method and width.
    pub quant: Quant,
    /// Options of the method.
    pub options: Box<dyn MethodOptions>,
    /// Options of every run.
    pub run: RunOptions,
}

impl Settings {
    /// Returns the method's default options.
    pub fn new(quant: Quant) -> Settings {
        let feedback = FeedbackPlace::Auto;
        let run = RunOptions { true_sequential: true, skip: Vec::new(), lm_head: false, feedback };
        Settings { quant, options: (quant.method.options)(), run }
    }

    /// Returns the options with the smallest error known.
    pub fn best(quant: Quant) -> Settings {
        Settings { options: quant.method.recipe(Recipe::Best, quant.bits), ..Settings::new(quant) }
    }

    /// Checks the options.
    ///
    /// # Errors
    /// Names the option that cannot be as it is.
    pub fn check(&self) -> Result<()> {
        self.options.check(self.quant.bits)
    }

    /// Returns whether a linear stays unquantized.
    pub fn skips(&self, name: &str) -> bool {
        self.run.skip.iter().any(|skip| name == skip || name.ends_with(&format!(".{skip}")))
    }

    /// Returns the layout of the folder.
    pub fn folder(&self) -> Box<dyn FolderWriter> {
        self.options.folder(self.quant.bits, &self.run)
    }

    /// Returns method, bits, the method's options and the run's as one object.
    pub fn to_json(&self) -> Value {
        let mut object = serde_json::Map::new();
        object.insert("method".into(), self.quant.method.name.into());
        object.insert("bits".into(), self.quant.bits.into());
        for part in [self.options.to_json(), serde_json::to_value(&self.run).expect("flags and names")] {
            object.extend(part.as_object().cloned().unwrap_or_default());
        }
        Value::Object(object)
    }
}
