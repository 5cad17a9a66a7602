//! The library's messages in the words of the command line.

/// Names that the library's messages have in backticks, and what a user of the command line gives instead.
static NAMES: &[(&str, &str)] = &[
    ("Compute::Cpu", "--path cpu"),
    ("Compute::Portable", "--path portable"),
    ("Conversation::reset", "/reset"),
    ("act_order", "--act-order"),
    ("bits", "--bits"),
    ("bits_per_weight", "--bits-per-weight"),
    ("calibration", "--calibration"),
    ("context", "--context"),
    ("damp_auto_increment", "--damp-auto-increment"),
    ("dequantize", "--dequantize"),
    ("device", "--device"),
    ("field", "--field"),
    ("fresh", "--fresh"),
    ("group_size", "--group-size"),
    ("length", "--length"),
    ("limit", "--limit"),
    ("max_new_tokens", "--max-new-tokens"),
    ("methods", "--methods"),
    ("model", "--model"),
    ("mse", "--mse"),
    ("no_outliers", "--no-outliers"),
    ("out", "--out"),
    ("outlier_share", "--outlier-share"),
    ("outlier_threshold", "--outlier-threshold"),
    ("packed", "--packed"),
    ("path", "--path"),
    ("percdamp", "--percdamp"),
    ("prefix_token", "--prefix-token"),
    ("profile", "--profile"),
    ("quant", "--quant"),
    ("repetition_penalty", "--repetition-penalty"),
    ("require_gpu", "--require-gpu"),
    ("samples", "--samples"),
    ("tasks", "--tasks"),
    ("temperature", "--temperature"),
    ("text", "--text"),
    ("texts", "--texts"),
    ("threshold", "--threshold"),
    ("top_p", "--top-p"),
    ("window", "--window"),
    ("windows", "--windows"),
    ("without", "--without"),
];

/// Puts options in the place of the names in `message`.
pub fn with_options(message: &str) -> String {
    let mut text = message.to_owned();
    for (name, option) in NAMES {
        text = text.replace(&format!("`{name}`"), option);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::method::METHODS;

    #[test]
    fn messages_name_options() {
        let found = with_options("`prompt`: too long; give a larger `context`, or see `qwgpu doctor`");
        assert_eq!(found, "`prompt`: too long; give a larger --context, or see `qwgpu doctor`");
    }

    #[test]
    fn every_option_exists() {
        let methods = METHODS.iter().map(|method| (method.args)(clap::Command::new(method.name)));
        let commands: Vec<_> = super::super::command().get_subcommands().cloned().chain(methods).collect();
        let known: Vec<&str> = commands.iter().flat_map(|c| c.get_arguments()).filter_map(|a| a.get_long()).collect();
        for (_, option) in NAMES {
            let Some(option) = option.strip_prefix("--") else { continue };
            let name = option.split(' ').next().unwrap();
            assert!(known.contains(&name), "no command has --{name}");
        }
    }
}
