//! Functions, filters and methods of chat templates, as `transformers` sets them up: Python's string methods,
//! `raise_exception`, `strftime_now`, and `tojson` that writes the text of `json.dumps`.

use chrono::NaiveDateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value, filters};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::json_dumps::tojson;

/// Bytes by which the result of one filter or method may exceed its arguments.
const MAX_GROWTH: usize = 16 << 20;
/// The fields of `strftime_now`: those that chrono and Python write alike.
const TIME_FIELDS: &str = "%AaBbdeFHIjMmpSTYy";

/// Makes an environment whose templates run at most `fuel` instructions at the given time.
pub(super) fn environment(fuel: u64, time: NaiveDateTime) -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(fuel));
    env.set_unknown_method_callback(|state, value, method, args| {
        check_growth(method, &[std::slice::from_ref(value), args].concat())?;
        unknown_method_callback(state, value, method, args)
    });
    for (name, filter) in [
        ("format", Value::from_function(filters::format)),
        ("indent", Value::from_function(filters::indent)),
        ("join", Value::from_function(filters::join)),
        ("replace", Value::from_function(filters::replace)),
    ] {
        env.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            check_growth(name, &args)?;
            filter.call(state, &args)
        });
    }
    // They fill up to any length, and no chat template uses them.
    env.remove_filter("batch");
    env.remove_filter("slice");
    env.add_filter("tojson", tojson);
    env.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(invalid(format!("raised: {message}")))
    });
    env.add_function("strftime_now", move |format: &str| strftime(format, time));
    Ok(env)
}

/// Refuses a call of a filter or method that makes much of little: a text put in many places, or a wide column.
/// The subject is the first of `args`.
fn check_growth(name: &str, args: &[Value]) -> Result<(), Error> {
    let text = |at: usize| args.get(at).and_then(Value::as_str).unwrap_or_default();
    let length = |at: usize| args.get(at).and_then(Value::len).unwrap_or(0);
    let (times, bytes) = match name {
        "replace" => (text(0).matches(text(1)).count(), text(2).len()),
        // The filter has the list first, the method the separator.
        "join" if text(1).is_empty() => (length(1), text(0).len()),
        "join" => (length(0), text(1).len()),
        "indent" => (text(0).lines().count(), args.get(1).and_then(Value::as_usize).unwrap_or(length(1))),
        "format" => {
            let numbers = text(0).split(|letter: char| !letter.is_ascii_digit()).filter(|number| !number.is_empty());
            let width = numbers.map(|number| number.parse().unwrap_or(usize::MAX)).max();
            let given = args.iter().filter(|_| text(0).contains('*')).filter_map(Value::as_usize).max();
            (text(0).matches(['%', '{']).count(), width.max(given).unwrap_or(0))
        }
        _ => return Ok(()),
    };
    match times.saturating_mul(bytes) > MAX_GROWTH {
        true => Err(invalid(format!("{name} makes more than {MAX_GROWTH} bytes: {times} times {bytes}"))),
        false => Ok(()),
    }
}

/// Writes a time as Python's `strftime` does, for the fields that templates use.
fn strftime(format: &str, time: NaiveDateTime) -> Result<String, Error> {
    let mut letters = format.chars();
    while letters.any(|letter| letter == '%') {
        let field = letters.next();
        if !field.is_some_and(|field| TIME_FIELDS.contains(field)) {
            let field = field.map_or("%".to_owned(), |field| format!("%{field}"));
            return Err(invalid(format!("strftime_now does not know {field:?}")));
        }
    }
    Ok(time.format(format).to_string())
}

pub(super) fn invalid(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}
