//! The options of every method on the command line of `qwgpu quantize`.

use clap::builder::PossibleValue;
use clap::{Arg, Command};
use qwgpu::formats::method::{METHODS, Method};
use serde_json::{Value, json};

use crate::command::{ends, stderr, stdout};

fn command(method: &Method) -> Command {
    (method.args)(Command::new(method.name).no_binary_name(true))
}

/// Returns the options of every method: method, argument, the option with a value that is not its default, the value.
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
                let name = known.get_name();
                (format!("{option}={name}"), default.as_bool().map_or(json!(name), |default| json!(!default)))
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
    for (method, arg, word, value) in each_option() {
        let id = arg.get_id().as_str();
        let mut expected = (method.options)().to_json();
        assert!(expected.get(id).is_some_and(|default| *default != value), "{} {word}: {expected}", method.name);
        let mut options = (method.options)();
        options.update(&command(method).try_get_matches_from([&word]).unwrap()).unwrap();
        let found = options.to_json();
        expected[id] = if found[id].as_f64() == value.as_f64() { found[id].clone() } else { value };
        assert_eq!(found, expected, "{} {word}", method.name);
    }
}

/// The arguments of a quantization that ends at the model, which does not exist.
fn quantize<'a>(method: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["quantize", "--model", "/no/such/model", "--out", "/no/such/out", "--method", method], more].concat()
}

#[test]
fn the_command_takes_the_options_of_its_method_alone() {
    let options = each_option();
    for &method in METHODS {
        let own = |arg: &Arg| options.iter().any(|(owner, a, ..)| *owner == method && a.get_id() == arg.get_id());
        let (mut seen, mut refused) = (Vec::new(), 0);
        for (_, arg, word, _) in &options {
            if seen.contains(&arg.get_id()) || own(arg) {
                continue;
            }
            seen.push(arg.get_id());
            refused += 1;
            let message = stderr(&ends(2, quantize(method.name, &[word])));
            let owners = options.iter().filter(|(_, a, ..)| a.get_id() == arg.get_id()).map(|(owner, ..)| owner.name);
            let tip = format!("is an option of --method {}", owners.collect::<Vec<_>>().join(" or "));
            assert!(message.contains(&tip), "{} {word}: {message}", method.name);
        }
        assert!(refused > 0, "{}: no other method has an option of its own", method.name);
    }
}

#[test]
fn values_are_judged_by_the_chosen_method() {
    for (method, words, why) in [
        ("gptq", &["--group-size", "-1"][..], "/no/such/model"),
        ("gptq", &["--group-size", "32", "--act-order"], "/no/such/model"),
        ("rtn", &["--mse"], "/no/such/model"),
        ("spqr", &["--act-order=false"], "/no/such/model"),
        ("gptq", &["--group-size", "x"], "invalid value 'x' for '--group-size <COLUMNS>'"),
        ("spqr", &["--group-size=-1"], "invalid value '-1' for '--group-size <COLUMNS>'"),
        ("spqr", &["--act-order=maybe"], "possible values: true, false"),
        ("spqr", &["--outlier-share=0.1", "--no-outliers"], "'--outlier-share <SHARE>' cannot be used with"),
    ] {
        let message = stderr(&ends(2, quantize(method, words)));
        assert!(message.contains(why), "{method} {words:?}: {message}");
    }
}

#[test]
fn every_option_is_in_the_help_of_its_method() {
    let all = stdout(&ends(0, ["quantize", "--help"]));
    for &method in METHODS {
        let (_, section) = all.split_once(&format!("Options of {}:\n", method.name)).unwrap();
        let section = section.split("\n\n").next().unwrap();
        let own = stdout(&ends(0, ["quantize", "--method", method.name, "-h"]));
        for arg in command(method).get_arguments() {
            let option = format!("--{}", arg.get_long().unwrap());
            let lines = |page: &str| {
                let first =
                    |line: &&str| line.split_whitespace().next().is_some_and(|w| w.split('[').next() == Some(&option));
                page.lines().filter(first).count()
            };
            assert_eq!((lines(section), lines(&own)), (1, 1), "{option}: {section}\n{own}");
        }
    }
    let default = |method, text: &str| assert!(stdout(&ends(0, ["quantize", "--method", method, "-h"])).contains(text));
    default("gptq", "a whole row [default: 128]");
    default("spqr", "a multiple of 16 [default: 16]");
}
