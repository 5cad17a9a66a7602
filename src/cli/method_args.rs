//! The options of every method as arguments of one command.

use std::ffi::OsString;

use anyhow::anyhow;
use clap::builder::{Resettable, ValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Id};

use crate::error::{Error, Result};
use crate::formats::method::{METHODS, Method, MethodOptions};

/// Options of a method as text. The method's own command parses them: an option that several methods have may take
/// other values in each.
#[derive(Clone, Debug, Default)]
pub struct MethodArgs(Vec<Given>);

/// Option that was given.
#[derive(Clone, Debug)]
struct Given {
    id: Id,
    /// The option and its values: `--group-size=64`.
    words: Vec<OsString>,
}

impl MethodArgs {
    /// Returns the options of `method`: its defaults, and what was given.
    ///
    /// # Errors
    /// An option was given that the method does not have, or with a value that the method does not take.
    pub fn options(&self, method: &'static Method) -> anyhow::Result<Box<dyn MethodOptions>> {
        for shared in shared() {
            let given = self.0.iter().any(|given| given.id == shared.id);
            if given && !shared.arguments.iter().any(|(known, _)| *known == method) {
                let expected = format!("--method {}", shared.methods().join(" or "));
                return Err(Error::request(shared.option(), expected, method.name, "leave the option out").into());
            }
        }
        let words = self.0.iter().flat_map(|given| &given.words);
        let matches = command(method).no_binary_name(true).try_get_matches_from(words).map_err(one_line)?;
        let mut options = (method.options)();
        options.update(&matches).map_err(one_line)?;
        Ok(options)
    }
}

/// Returns what clap says of an argument, without its hints at other commands.
fn one_line(error: clap::Error) -> anyhow::Error {
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    anyhow!("{}", message.lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

/// Returns a command with the options of one method.
fn command(method: &Method) -> Command {
    (method.args)(Command::new(method.name).disable_help_flag(true))
}

/// Option of one or more methods.
struct Shared {
    id: Id,
    /// The methods that have the option, and the argument of each.
    arguments: Vec<(&'static Method, Arg)>,
}

/// Returns the options of all methods, in the order of [`METHODS`].
fn shared() -> Vec<Shared> {
    let mut all = Vec::<Shared>::new();
    for &method in METHODS {
        for arg in command(method).get_arguments() {
            let argument = (method, arg.clone());
            match all.iter_mut().find(|shared| shared.id == *arg.get_id()) {
                Some(shared) => shared.arguments.push(argument),
                None => all.push(Shared { id: arg.get_id().clone(), arguments: vec![argument] }),
            }
        }
    }
    all
}

impl Shared {
    /// Returns the option as it is given: `--group-size`.
    fn option(&self) -> String {
        format!("--{}", self.arguments[0].1.get_long().unwrap_or(self.id.as_str()))
    }

    fn methods(&self) -> Vec<&'static str> {
        self.arguments.iter().map(|(method, _)| method.name).collect()
    }

    /// Returns an argument that takes what any of the methods may take.
    fn argument(&self) -> Arg {
        let mut arg = self.arguments[0].1.clone();
        if arg.get_action().takes_values() {
            arg = arg.value_parser(ValueParser::os_string()).default_missing_value(None::<&str>);
        }
        let (help, details) = self.help();
        let arg = match details.is_empty() {
            true => arg.help(help).long_help(None::<&str>),
            false => arg.long_help(format!("{help}\n\n{details}")).help(help),
        };
        // The place within a method's own command means nothing here.
        arg.help_heading("Method").display_order(None::<usize>).group(Resettable::Reset).required(false)
    }

    /// Returns the line of help, and what follows it in the long help.
    fn help(&self) -> (String, String) {
        let (mut lines, mut details) = (Vec::<(String, Vec<&str>)>::new(), Vec::<String>::new());
        for (method, arg) in &self.arguments {
            let line = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let long = arg.get_long_help().map(ToString::to_string).unwrap_or_default();
            let more = long.strip_prefix(&line).unwrap_or(&long).trim().to_owned();
            if !more.is_empty() && !details.contains(&more) {
                details.push(more);
            }
            match lines.iter_mut().find(|(known, _)| *known == line) {
                Some((_, names)) => names.push(method.name),
                None => lines.push((line, vec![method.name])),
            }
        }
        let of = |(line, names): &(String, Vec<&str>)| match names.len() == METHODS.len() {
            true => line.clone(),
            false => format!("{line} ({})", names.join(", ")),
        };
        let line = lines.iter().map(of).collect::<Vec<_>>().join(". ");
        (line + &self.defaults(), details.join("\n\n"))
    }

    /// Returns " \[default: 128 for rtn and gptq, 16 for spqr\]", or nothing where the option is off by default.
    fn defaults(&self) -> String {
        let mut by_value: Vec<(String, Vec<&str>)> = Vec::new();
        for (method, _) in &self.arguments {
            let value = match (method.options)().to_json().get(self.id.as_str()) {
                None | Some(serde_json::Value::Null | serde_json::Value::Bool(false)) => continue,
                // Options are f32 or f64: either way the shortest digits.
                Some(serde_json::Value::Number(number)) if number.is_f64() => {
                    format!("{}", number.as_f64().unwrap_or_default() as f32)
                }
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            match by_value.iter_mut().find(|(known, _)| *known == value) {
                Some((_, names)) => names.push(method.name),
                None => by_value.push((value, vec![method.name])),
            }
        }
        match &by_value[..] {
            [] => String::new(),
            [(value, names)] if names.len() == self.arguments.len() => format!(" [default: {value}]"),
            several => {
                let one = |(value, names): &(String, Vec<&str>)| format!("{value} for {}", names.join(" and "));
                format!(" [default: {}]", several.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Returns the option with its values, if it was given.
    fn given(&self, matches: &ArgMatches) -> Option<Given> {
        let id = self.id.as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            return None;
        }
        let mut words = Vec::new();
        if self.arguments[0].1.get_action().takes_values() {
            for values in matches.get_raw_occurrences(id)? {
                let mut word = OsString::from(self.option());
                for (k, value) in values.enumerate() {
                    // An option that may stand alone takes its value after an equals sign.
                    if k == 0 {
                        word.push("=");
                    } else {
                        words.push(std::mem::take(&mut word));
                    }
                    word.push(value);
                }
                words.push(word);
            }
        } else {
            words.push(self.option().into());
        }
        Some(Given { id: self.id.clone(), words })
    }
}

impl FromArgMatches for MethodArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<MethodArgs, clap::Error> {
        Ok(MethodArgs(shared().iter().filter_map(|shared| shared.given(matches)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = MethodArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for MethodArgs {
    fn augment_args(command: Command) -> Command {
        command.args(shared().iter().map(Shared::argument))
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

#[cfg(test)]
mod tests {
    use clap::builder::PossibleValue;
    use serde_json::{Value, json};

    use super::super::quantize;
    use super::*;

    /// Returns the options of a method that `words` give.
    fn parse(method: &'static Method, words: &[&str]) -> anyhow::Result<Value> {
        let command = MethodArgs::augment_args(Command::new("quantize").no_binary_name(true));
        let matches = command.try_get_matches_from(words)?;
        Ok(MethodArgs::from_arg_matches(&matches)?.options(method)?.to_json())
    }

    /// Returns the options of every method: method, argument, the option and a value that is not its default, the
    /// value in JSON.
    fn each_option() -> Vec<(&'static Method, Arg, String, Value)> {
        let mut all = Vec::new();
        for &method in METHODS {
            let defaults = (method.options)().to_json();
            for arg in command(method).get_arguments() {
                let option = format!("--{}", arg.get_long().unwrap());
                let default = &defaults[arg.get_id().as_str()];
                let other = |known: &PossibleValue| known.get_name() != default.to_string().trim_matches('"');
                let (words, value) = if !arg.get_action().takes_values() {
                    (option, json!(true))
                } else if let Some(known) = arg.get_possible_values().iter().find(|known| other(known)) {
                    let value =
                        if default.is_boolean() { json!(!default.as_bool().unwrap()) } else { json!(known.get_name()) };
                    (format!("{option}={}", known.get_name()), value)
                } else {
                    (format!("{option}=5"), json!(5))
                };
                all.push((method, arg.clone(), words, value));
            }
        }
        all
    }

    #[test]
    fn every_option_of_every_method_reaches_its_field() {
        for &method in METHODS {
            assert_eq!(parse(method, &[]).unwrap(), (method.options)().to_json(), "{}", method.name);
        }
        for (method, arg, word, value) in each_option() {
            let id = arg.get_id().as_str();
            let mut expected = (method.options)().to_json();
            assert!(expected.get(id).is_some_and(|default| *default != value), "{} {word}: {expected}", method.name);
            let found = parse(method, &[&word]).unwrap_or_else(|e| panic!("{} {word}: {e}", method.name));
            expected[id] = if found[id].as_f64() == value.as_f64() { found[id].clone() } else { value };
            assert_eq!(found, expected, "{} {word}", method.name);
        }
    }

    #[test]
    fn an_option_of_another_method_is_refused() {
        let options = each_option();
        for (owner, arg, word, _) in &options {
            let has = |method: &Method| options.iter().any(|(of, o, ..)| *of == method && o.get_id() == arg.get_id());
            for &method in METHODS.iter().filter(|method| !has(method)) {
                let message = parse(method, &[word]).unwrap_err().to_string();
                let option = format!("--{}", arg.get_long().unwrap());
                assert!(message.starts_with(&option) && message.contains(method.name), "{message}");
                let named = message.split(['-', ' ', ',']).filter(|name| Method::find(name).is_some_and(has));
                assert_eq!(named.count(), METHODS.iter().filter(|method| has(method)).count(), "{message}");
                assert!(message.contains(owner.name), "{message}");
            }
        }
    }

    #[test]
    fn values_are_judged_by_the_chosen_method() {
        let find = |name| Method::find(name).unwrap();
        assert_eq!(parse(find("gptq"), &["--group-size", "-1"]).unwrap()["group_size"], -1);
        assert_eq!(parse(find("spqr"), &["--group-size", "32"]).unwrap()["group_size"], 32);
        // Alone, an option takes the value that its method means.
        assert_eq!(parse(find("rtn"), &["--mse"]).unwrap()["mse"], json!(2.4f32));
        assert_eq!(parse(find("gptq"), &["--act-order"]).unwrap()["act_order"], true);
        assert_eq!(parse(find("spqr"), &["--act-order=false"]).unwrap()["act_order"], false);
        for (method, words, why) in [
            ("gptq", &["--group-size", "x"][..], "invalid value 'x' for '--group-size <COLUMNS>'"),
            ("spqr", &["--group-size", "-1"], "invalid value '-1' for '--group-size <COLUMNS>'"),
            ("spqr", &["--act-order=maybe"], "possible values: true, false"),
            ("spqr", &["--outlier-share=0.1", "--no-outliers"], "'--outlier-share <SHARE>' cannot be used with"),
        ] {
            let message = parse(find(method), words).unwrap_err().to_string();
            assert!(message.contains(why) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn every_option_is_in_the_help_once() {
        let command = quantize::Args::augment_args(Command::new("quantize")).term_width(0);
        for (help, long) in [(command.clone().render_help(), false), (command.clone().render_long_help(), true)] {
            let help = help.to_string();
            let mut last = 0;
            for shared in shared() {
                let of = |line: &&str| {
                    line.split_whitespace().next().is_some_and(|word| {
                        word == shared.option() || word.starts_with(&format!("{}[", shared.option()))
                    })
                };
                assert_eq!(help.lines().filter(of).count(), 1, "{}: {help}", shared.option());
                let at = help.lines().position(|line| of(&line)).unwrap();
                assert!(at > last, "{} stands too early: {help}", shared.option());
                last = at;
                let (line, details) = shared.help();
                assert_eq!(help.matches(&line).count(), 1, "{line}: {help}");
                assert!(shared.arguments.iter().all(|(_, arg)| line.contains(&arg.get_help().unwrap().to_string())));
                assert!(details.lines().next().is_none_or(|more| help.contains(more) == long), "{details}: {help}");
            }
        }
        let help = |id: &str| shared().iter().find(|shared| shared.id == *id).unwrap().help().0;
        assert_eq!(
            help("group_size"),
            "Columns that share a scale; -1 is a whole row (rtn, gptq). Columns that share a scale: a multiple of 16 \
             (spqr) [default: 128 for rtn and gptq, 16 for spqr]"
        );
    }
}
