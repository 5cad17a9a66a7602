//! What a chat template finds besides its variables, as `transformers` sets it up: Python's string methods,
//! `raise_exception`, `strftime_now`, and `tojson` that writes what `json.dumps` writes.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value, escape_formatter, filters, tests};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::budget::{Budget, guard};
use super::json_dumps::tojson;

/// Instructions of one render: a thousand messages take some tens of thousands.
const FUEL: u64 = 2_000_000;
/// The bytes of a one-character string, as an element of a list.
const CHARACTER: u64 = 32;

pub(super) fn syntax() -> Result<SyntaxConfig, Error> {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()
}

pub(super) fn environment(budget: &Arc<Budget>) -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_syntax(syntax()?);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(FUEL));
    let own = budget.clone();
    env.set_formatter(move |out, state, value| {
        own.weigh(value, true)?;
        escape_formatter(out, state, value)
    });
    let own = budget.clone();
    env.set_unknown_method_callback(move |state, value, method, args| {
        let all: Vec<_> = std::iter::once(value.clone()).chain(args.iter().cloned()).collect();
        charge_text_call(&own, method, &all)?;
        unknown_method_callback(state, value, method, args)
    });

    // What fills up or spells out, and no chat template uses.
    for name in ["batch", "slice", "pprint", "urlencode"] {
        env.remove_filter(name);
    }
    env.remove_global("debug");
    for (name, filter) in [
        ("chain", Value::from_function(filters::chain)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("format", Value::from_function(filters::format)),
        ("groupby", Value::from_function(filters::groupby)),
        ("indent", Value::from_function(filters::indent)),
        ("join", Value::from_function(filters::join)),
        ("lines", Value::from_function(filters::lines)),
        ("list", Value::from_function(filters::list)),
        ("map", Value::from_function(filters::map)),
        ("max", Value::from_function(filters::max)),
        ("min", Value::from_function(filters::min)),
        ("reject", Value::from_function(filters::reject)),
        ("replace", Value::from_function(filters::replace)),
        ("reverse", Value::from_function(filters::reverse)),
        ("select", Value::from_function(filters::select)),
        ("sort", Value::from_function(filters::sort)),
        ("split", Value::from_function(filters::split)),
        ("string", Value::from_function(filters::string)),
        ("tojson", Value::from_function(tojson)),
        ("unique", Value::from_function(filters::unique)),
        ("zip", Value::from_function(filters::zip)),
    ] {
        let own = budget.clone();
        env.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            charge_text_call(&own, name, &args)?;
            filter.call(state, &args)
        });
    }
    let comparisons: [(&[&'static str], Value); 7] = [
        (&["eq", "==", "equalto"], Value::from_function(tests::is_eq)),
        (&["ne", "!="], Value::from_function(tests::is_ne)),
        (&["lt", "<", "lessthan"], Value::from_function(tests::is_lt)),
        (&["le", "<="], Value::from_function(tests::is_le)),
        (&["gt", ">", "greaterthan"], Value::from_function(tests::is_gt)),
        (&["ge", ">="], Value::from_function(tests::is_ge)),
        (&["in"], Value::from_function(tests::is_in)),
    ];
    for (names, test) in comparisons {
        for name in names {
            let (own, test) = (budget.clone(), test.clone());
            env.add_test(*name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
                let args = args.into_values();
                args.iter().try_for_each(|value| own.weigh(value, true))?;
                test.call(state, &args)
            });
        }
    }

    env.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, format!("raised: {message}")))
    });
    env.add_function("strftime_now", |format: &str| strftime(format, SystemTime::now()));
    add_guards(&mut env, budget);
    Ok(env)
}

fn add_guards(env: &mut Environment, budget: &Arc<Budget>) {
    let own = budget.clone();
    env.add_function(guard::BOTH, move |left: Value, right: Value| {
        own.weigh(&left, true)?;
        own.weigh(&right, true)?;
        Ok::<_, Error>(vec![right, left])
    });
    let own = budget.clone();
    env.add_function(guard::SUM, move |left: Value, right: Value| {
        own.weigh(&left, false)?;
        own.weigh(&right, false)?;
        Ok::<_, Error>(vec![right, left])
    });
    let own = budget.clone();
    env.add_function(guard::PRODUCT, move |left: Value, right: Value| {
        for (value, count) in [(&left, &right), (&right, &left)] {
            if value.kind() != ValueKind::Number {
                let count = count.as_usize().unwrap_or(0) as u64;
                own.charge(count.saturating_mul(CHARACTER + value.len().unwrap_or(0) as u64 * 4))?;
            }
        }
        Ok::<_, Error>(vec![right, left])
    });
    let own = budget.clone();
    env.add_function(guard::VALUE, move |value: Value| own.settle(value));
    let own = budget.clone();
    env.add_function(guard::NAMESPACE, move |value: Value, namespace: Value| {
        own.weigh(&value, false)?;
        Ok::<_, Error>(vec![namespace.clone(), value, namespace])
    });
}

/// Charges before a filter or a string method for what it is about to make of `args`, the subject first.
fn charge_text_call(budget: &Budget, name: &str, args: &[Value]) -> Result<(), Error> {
    let text = |at: usize| args.get(at).and_then(Value::as_str);
    let length = |at: usize| text(at).map_or(0, str::len) as u64;
    let pieces = |separator: Option<&str>| match (text(0), separator) {
        (Some(subject), Some("")) => subject.len() as u64 + 1,
        (Some(subject), Some(separator)) => subject.matches(separator).count() as u64 + 1,
        (Some(subject), None) => subject.split_whitespace().count() as u64,
        (None, _) => 0,
    };
    for value in args {
        budget.weigh(value, true)?;
    }
    match name {
        "replace" => budget.charge(pieces(text(1)).saturating_mul(length(2))),
        "split" => budget.charge(pieces(text(1)).saturating_mul(CHARACTER)),
        "lines" | "splitlines" => budget.charge(pieces(Some("\n")).saturating_mul(CHARACTER)),
        // The filter has the list first, the method the separator.
        "join" => {
            let items = |at: usize| args.get(at).and_then(Value::len).unwrap_or(0) as u64;
            budget.charge(items(0).saturating_mul(length(1)))?;
            budget.charge(items(1).saturating_mul(length(0)))
        }
        "indent" => {
            let width = args.get(1).and_then(Value::as_usize).unwrap_or(4) as u64;
            budget.charge(pieces(Some("\n")).saturating_mul(width))
        }
        "format" => {
            let pattern = text(0).unwrap_or_default();
            if pattern.split(|c: char| !c.is_ascii_digit()).any(|width| width.len() > 3) || pattern.contains('*') {
                return Err(Error::new(ErrorKind::InvalidOperation, "the width of a format is too large"));
            }
            let fields = pattern.matches(['%', '{']).count();
            (0..fields).try_for_each(|_| args.iter().try_for_each(|value| budget.weigh(value, true)))?;
            budget.charge(1000 * fields as u64)
        }
        "list" | "map" | "max" | "min" | "reject" | "reverse" | "select" | "sort" | "unique" | "zip" | "chain" => {
            budget.charge(length(0).saturating_mul(CHARACTER))
        }
        _ => Ok(()),
    }
}

/// The C function for the fields that templates use, in UTC.
fn strftime(format: &str, now: SystemTime) -> Result<String, Error> {
    const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let (mut year, mut day) = (1970, days);
    let length = |year: u64| {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        365 + u64::from(leap)
    };
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let day_of_year = day + 1;
    let months = [31, length(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    let weekday = DAYS[(days as usize + 4) % 7];
    let (day, hour12) = (day + 1, (hour + 11) % 12 + 1);

    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        text.push_str(&match letters.next() {
            Some('Y') => year.to_string(),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{:02}", month + 1),
            Some('d') => format!("{day:02}"),
            Some('e') => format!("{day:2}"),
            Some('j') => format!("{day_of_year:03}"),
            Some('H') => format!("{hour:02}"),
            Some('I') => format!("{hour12:02}"),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('B') => MONTHS[month].to_owned(),
            Some('b') => MONTHS[month][..3].to_owned(),
            Some('A') => weekday.to_owned(),
            Some('a') => weekday[..3].to_owned(),
            Some('F') => format!("{year}-{:02}-{day:02}", month + 1),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('%') => "%".to_owned(),
            other => {
                let field = other.map_or("%".to_owned(), |other| format!("%{other}"));
                let why = format!("strftime_now does not know {field:?}");
                return Err(Error::new(ErrorKind::InvalidOperation, why));
            }
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests_of_time {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 Thu 00:00:00 AM 001"),
            (951_782_400, "2000-02-29 Tue 00:00:00 AM 060"),
            (1_735_689_599, "2024-12-31 Tue 23:59:59 PM 366"),
            (4_107_542_400, "2100-03-01 Mon 00:00:00 AM 060"),
        ] {
            let at = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(strftime("%F %a %T %p %j", at).unwrap(), expected);
        }
        let at = UNIX_EPOCH + Duration::from_secs(1_721_995_200);
        assert_eq!(strftime("%d %B %Y, %e %b %y %I%p %A %%", at).unwrap(), "26 July 2024, 26 Jul 24 12PM Friday %");
        assert!(strftime("%Q", at).unwrap_err().to_string().contains("%Q"));
    }
}
