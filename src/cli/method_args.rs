//! The options of every method as arguments of one command.

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::error::{Error, Result};
use crate::formats::method::{METHODS, Method, MethodOptions};

/// Options of a method as they were given. Which of them a method has is known once the method is.
#[derive(Clone, Debug, Default)]
pub struct MethodArgs(ArgMatches);

impl MethodArgs {
    /// Returns the options of `method`: its defaults, and what was given.
    ///
    /// # Errors
    /// An option was given that the method does not have.
    pub fn options(&self, method: &'static Method) -> anyhow::Result<Box<dyn MethodOptions>> {
        let own = arguments(method);
        for (id, (arg, methods)) in all_arguments() {
            let given = self.0.value_source(&id) == Some(ValueSource::CommandLine);
            if given && !own.iter().any(|known| *known.get_id() == *id) {
                let option = format!("--{}", arg.get_long().unwrap_or(&id));
                let expected = format!("--method {}", methods.join(" or "));
                return Err(Error::request(option, expected, method.name, "leave the option out").into());
            }
        }
        let mut options = (method.options)();
        options.update(&self.0)?;
        Ok(options)
    }
}

/// Returns the arguments of a method's options.
fn arguments(method: &Method) -> Vec<Arg> {
    (method.args)(Command::new(method.name)).get_arguments().cloned().collect()
}

/// Returns the arguments of all methods by their ids, with the names of the methods that have each.
fn all_arguments() -> BTreeMap<String, (Arg, Vec<&'static str>)> {
    let mut all = BTreeMap::<String, (Arg, Vec<&'static str>)>::new();
    for method in METHODS {
        for arg in arguments(method) {
            let id = arg.get_id().to_string();
            all.entry(id).or_insert_with(|| (arg, Vec::new())).1.push(method.name);
        }
    }
    all
}

/// Returns "128 for rtn and gptq, 16 for spqr": the defaults of an option.
fn defaults(id: &str) -> String {
    let mut by_value: Vec<(String, Vec<&str>)> = Vec::new();
    let mut methods = 0;
    for method in METHODS {
        let Some(value) = (method.options)().to_json().get(id).cloned() else { continue };
        methods += 1;
        let value = match value {
            serde_json::Value::Null | serde_json::Value::Bool(false) => continue,
            // Options are f32 or f64: either way the shortest digits.
            serde_json::Value::Number(number) if number.is_f64() => {
                format!("{}", number.as_f64().unwrap_or_default() as f32)
            }
            other => other.to_string(),
        };
        match by_value.iter_mut().find(|(known, _)| *known == value) {
            Some((_, names)) => names.push(method.name),
            None => by_value.push((value, vec![method.name])),
        }
    }
    match &by_value[..] {
        [] => String::new(),
        [(value, names)] if names.len() == methods => format!(" [default: {value}]"),
        several => {
            let one = |(value, names): &(String, Vec<&str>)| format!("{value} for {}", names.join(" and "));
            format!(" [default: {}]", several.iter().map(one).collect::<Vec<_>>().join(", "))
        }
    }
}

impl FromArgMatches for MethodArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<MethodArgs, clap::Error> {
        Ok(MethodArgs(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        self.0 = matches.clone();
        Ok(())
    }
}

impl Args for MethodArgs {
    fn augment_args(command: Command) -> Command {
        all_arguments().into_iter().fold(command, |command, (id, (arg, methods))| {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let whose =
                if methods.len() == METHODS.len() { String::new() } else { format!(" ({})", methods.join(", ")) };
            let help = format!("{help}{whose}{}", defaults(&id));
            command.arg(arg.help(help).help_heading("Method").required(false))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        MethodArgs::augment_args(command)
    }
}

/// Checks that a method has codes of `bits`.
///
/// # Errors
/// Names `--bits` and the method's widths.
pub fn expect_bits(method: &'static Method, bits: u32) -> Result<()> {
    match method.bits.contains(&bits) {
        true => Ok(()),
        false => {
            let expected = format!("one of {:?} for {}", method.bits, method.name);
            Err(Error::request("--bits", expected, bits, "choose another width or method"))
        }
    }
}
