//! The library's messages in the words of the command line.

use std::sync::OnceLock;

use crate::formats::method::METHODS;

/// The options of all commands and methods, without their dashes.
static OPTIONS: OnceLock<Vec<String>> = OnceLock::new();

/// Sets the options that messages can name: those of the commands of `root` and those of all methods.
pub fn init(root: &clap::Command) {
    let methods = METHODS.iter().map(|method| (method.args)(clap::Command::new(method.name)));
    let commands: Vec<clap::Command> = root.get_subcommands().cloned().chain(methods).collect();
    let arguments = commands.iter().flat_map(clap::Command::get_arguments);
    let options = arguments.filter_map(|argument| argument.get_long().map(str::to_owned));
    // Only the first command line of a process counts; all have the same options.
    let _ = OPTIONS.set(options.collect());
}

/// Puts options in the place of the fields that `message` has in backticks: `--group-size` for `group_size`.
pub fn with_options(message: &str) -> String {
    let mut text = String::new();
    for (number, part) in message.split('`').enumerate() {
        match option(part) {
            // What backticks enclose is every second part.
            Some(option) if number % 2 == 1 => text += &option,
            _ if number % 2 == 1 => text += &format!("`{part}`"),
            _ => text += part,
        }
    }
    text
}

/// Returns what a user of the command line gives for a field of the library.
fn option(field: &str) -> Option<String> {
    match field {
        "Compute::Cpu" => Some("--path cpu".into()),
        "Compute::Portable" => Some("--path portable".into()),
        "Conversation::reset" => Some("/reset".into()),
        field => {
            let name = field.replace('_', "-");
            let names = [format!("calibration-{name}"), name];
            let known = names.iter().find(|name| OPTIONS.get().is_some_and(|all| all.contains(name)))?;
            Some(format!("--{known}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_options() {
        init(&super::super::command());
        for (message, expected) in [
            ("`prompt`: too long; give a larger `context`", "--prompt: too long; give a larger --context"),
            ("see `qwgpu doctor`, or use `Compute::Cpu`", "see `qwgpu doctor`, or use --path cpu"),
            ("`outlier_share` and fewer `samples`", "--outlier-share and fewer --calibration-samples"),
            ("no `merges`", "no `merges`"),
        ] {
            assert_eq!(with_options(message), expected);
        }
    }
}
