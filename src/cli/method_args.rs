//! The options of a quantization method as arguments of `qwgpu quantize`.
//!
//! Methods have options of the same name with other values and defaults, so a command line has the options of the one
//! method that it names.

use std::ffi::OsString;

use clap::builder::{EnumValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value;

use crate::formats::method::{METHODS, Method, MethodOptions, Recipe};

/// `--method` and the options of the method that it names. [`add_options`] adds the arguments of the latter.
#[derive(Clone, Debug)]
pub struct MethodArgs {
    pub method: &'static Method,
    pub options: Box<dyn MethodOptions>,
    pub recipe: Recipe,
}

impl FromArgMatches for MethodArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<MethodArgs, clap::Error> {
        let method: &&'static Method = matches.get_one("method").expect("a required argument");
        let bits = matches.get_one("bits").copied().unwrap_or(method.default_bits);
        let recipe = matches.get_one("recipe").copied().unwrap_or_default();
        let mut options = method.recipe(recipe, bits);
        options.update(matches)?;
        Ok(MethodArgs { method, options, recipe })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = MethodArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for MethodArgs {
    fn augment_args(command: Command) -> Command {
        let help = "Quantization method; `--method NAME --help` shows its options";
        let arg = Arg::new("method").long("method").value_name("METHOD").help(help);
        let help = "Options where none are given; they differ for gptq at 2 and 3 bits";
        let recipe = Arg::new("recipe").long("recipe").value_name("RECIPE").default_value("paper").help(help);
        let recipe = recipe.value_parser(EnumValueParser::<Recipe>::new());
        command.arg(arg.required(true).value_parser(method_parser())).arg(recipe)
    }

    fn augment_args_for_update(command: Command) -> Command {
        MethodArgs::augment_args(command)
    }
}

/// Returns the parser of a method's name.
pub fn method_parser() -> impl TypedValueParser<Value = &'static Method> {
    let names = METHODS.iter().map(|method| PossibleValue::new(method.name).help(method.about));
    PossibleValuesParser::new(names).map(|name| Method::find(&name).expect("one of the possible values"))
}

/// Adds the options of the method that `arguments` name to `command`; where they name none, a list of all methods'
/// options to its long help.
pub fn add_options(command: Command, arguments: &[OsString]) -> Command {
    match named(arguments) {
        Some(method) => options(command.next_help_heading("Method"), method),
        None => {
            let examples = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            command.after_long_help(METHODS.iter().map(|method| help(method)).collect::<String>() + &examples)
        }
    }
}

/// Returns the method that `--method NAME` or `--method=NAME` names.
fn named(arguments: &[OsString]) -> Option<&'static Method> {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let apart = words.iter().zip(words.iter().skip(1)).find(|(word, _)| *word == "--method").map(|(_, name)| &**name);
    Method::find(apart.or_else(|| words.iter().find_map(|word| word.strip_prefix("--method=")))?)
}

/// Adds the options of a method, with their defaults in the help.
fn options(command: Command, method: &'static Method) -> Command {
    let defaults = (method.options)().to_json();
    let added: Vec<Arg> = (method.args)(Command::new(method.name)).get_arguments().cloned().collect();
    let with_default = |arg: Arg| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default = match &defaults[arg.get_id().as_str()] {
            Value::Null | Value::Bool(false) => String::new(),
            // Options are f32 or f64: either way the shortest digits.
            Value::Number(number) if number.is_f64() => {
                format!(" [default: {}]", number.as_f64().unwrap_or_default() as f32)
            }
            other => format!(" [default: {}]", other.to_string().trim_matches('"')),
        };
        arg.help(help + &default)
    };
    let is_added = |arg: &Arg| added.iter().any(|one| one.get_id() == arg.get_id());
    (method.args)(command).mut_args(|arg| if is_added(&arg) { with_default(arg) } else { arg })
}

/// Returns a section of help with the options of a method.
fn help(method: &'static Method) -> String {
    let command = Command::new(method.name).disable_help_flag(true).help_template("{options}").max_term_width(100);
    format!("Options of {}:\n{}\n\n", method.name, options(command, method).render_help().ansi().to_string().trim_end())
}

/// Adds to an error about an unknown option the methods that have it.
pub fn explain(mut error: clap::Error) -> clap::Error {
    if let (ErrorKind::UnknownArgument, Some(ContextValue::String(option))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        let name = option.trim_start_matches('-');
        let has = |method: &Method| {
            (method.args)(Command::new(method.name)).get_arguments().any(|arg| arg.get_long() == Some(name))
        };
        let owners: Vec<&str> = METHODS.iter().filter(|method| has(method)).map(|method| method.name).collect();
        if !owners.is_empty() {
            let tip = format!("'{option}' is an option of --method {}", owners.join(" or "));
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
        }
    }
    error
}
