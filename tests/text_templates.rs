//! Chat templates against `transformers` (scripts/make_text_goldens.py), and templates that mean harm.

use qwgpu::Error;
use qwgpu::text::{ChatTemplate, Message};
use serde_json::Value;

fn goldens() -> Value {
    serde_json::from_str(include_str!("../fixtures/text/templates.json")).unwrap()
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned() }
}

fn chat(goldens: &Value, name: &Value) -> Vec<Message> {
    let chat = goldens["chats"][name.as_str().unwrap()].as_array().unwrap();
    let text = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
    chat.iter().map(|m| message(&text(m, "role"), &text(m, "content"))).collect()
}

/// The ways in which a template differs from `rendered`.
fn differences(name: &str, template: &ChatTemplate, goldens: &Value, rendered: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in rendered.as_array().unwrap() {
        let result = template.render(&chat(goldens, &case["chat"]), case["prompt"] == Value::Bool(true));
        let fits = match (&result, case["text"].as_str(), case["error"].as_str()) {
            (Ok(text), Some(expected), _) => text == expected,
            (Err(Error::Template(why)), None, Some(expected)) => why.contains(expected),
            _ => false,
        };
        if !fits {
            wrong.push(format!("{name}, {}:\n  {result:?}\n  {case}", case["chat"]));
        }
    }
    wrong
}

#[test]
fn templates_render_as_in_transformers() {
    let goldens = goldens();
    let mut wrong = Vec::new();
    for case in goldens["templates"].as_array().unwrap() {
        let (name, source) = (case["name"].as_str().unwrap(), case["source"].as_str().unwrap());
        let token = |name: &str| case.get("tokens").map(|tokens| tokens[name].as_str().unwrap());
        match ChatTemplate::new(source, token("bos_token"), token("eos_token")) {
            Ok(template) => wrong.extend(differences(name, &template, &goldens, &case["rendered"])),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong[..wrong.len().min(4)].join("\n"));
}

#[test]
fn chatml_without_a_template() {
    let user = [message("user", "Hi")];
    let turn = "<|im_start|>user\nHi<|im_end|>\n";
    let template = ChatTemplate::chatml();
    assert_eq!(template.render(&user, false).unwrap(), turn);
    assert_eq!(template.render(&[], true).unwrap(), "<|im_start|>assistant\n");

    let both = [message("system", "S"), message("user", "Hi")];
    let expected = format!("<|im_start|>system\nS<|im_end|>\n{turn}<|im_start|>assistant\n");
    assert_eq!(template.render(&both, true).unwrap(), expected);
}

/// Returns the error of a template for a short conversation.
fn error_of(source: &str) -> String {
    let result = ChatTemplate::new(source, None, None)
        .and_then(|template| template.render(&[message("system", "S"), message("user", "Hi")], true));
    let shown = &source[..source.len().min(200)];
    match result {
        Err(Error::Template(why)) => why,
        Err(other) => panic!("{other}: {shown}"),
        Ok(text) => panic!("{} bytes: {shown}", text.len()),
    }
}

/// The most memory this process ever held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[test]
fn endless_templates_end() {
    let forever = "{% for a in range(99999) %}{% for b in range(99999) %}";
    for body in ["", "{{ a }}", "{% set x = a == b %}", "{% set x = messages[-1:] %}", "{{ messages | tojson }}"] {
        let why = error_of(&format!("{forever}{body}{{% endfor %}}{{% endfor %}}"));
        assert!(why.contains("out of fuel"), "{body}: {why}");
    }
    let why = error_of("{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}");
    assert!(why.contains("line 1: recursion"), "{why}");
    let why = error_of("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}");
    assert!(why.contains("recursion"), "{why}");
    assert!(error_of("{% for a in range(999999999) %}{% endfor %}").contains("too many elements"));
}

#[test]
fn instructions_grow_with_the_conversation() {
    let template =
        ChatTemplate::new("{% for m in messages %}{{ m.role ~ m.content }}{% endfor %}", None, None).unwrap();
    let many = vec![message("user", &"word ".repeat(200)); 20_000];
    assert_eq!(template.render(&many, true).unwrap().len(), 20_000 * 1004);
}

#[test]
fn growing_templates_end_before_they_fill_memory() {
    let set = format!("{{% set ns = namespace(s='{}', l=[1]) %}}", "x".repeat(1000));
    let each = |body: &str| format!("{set}{{% for i in range(99999) %}}{body}{{% endfor %}}");
    for (body, error) in [
        ("{% set ns.s = ns.s * 2 %}", "repeated string is too large"),
        ("{% set ns.s = ns.s | replace('x', ns.s) %}", "replace makes more than"),
        ("{% set ns.s = ns.s.replace('', ns.s) %}", "replace makes more than"),
        ("{% set ns.s = [ns.s, ns.s] | join(ns.s) %}", "join makes more than"),
        ("{% set ns.s = ns.s.join([ns.s, ns.s]) %}", "join makes more than"),
        ("{% set ns.l = [ns.l, ns.l] %}", "out of fuel"),
        ("{% set ns.l = {'a': ns.l, 'b': ns.l} %}", "out of fuel"),
        ("{% set ns.l = dict(a=ns.l, b=ns.l) %}", "out of fuel"),
        ("{% set ns.l = namespace(a=ns.l, b=ns.l) %}", "out of fuel"),
        ("{% set ns.l = ns.l + [ns.s ~ i] %}", "out of fuel"),
        ("{% set ns.l = [ns.l] %}", "out of fuel"),
        ("{{ ns.s }}{{ ns.s * 1000 }}", "writes more than"),
        ("{% set t %}{{ ns.s }}{% endset %}", "out of fuel"),
    ] {
        let why = error_of(&each(body));
        assert!(why.contains(error), "{body}: {why}");
    }
    for (source, error) in [
        ("{{ 'x' * 99999999 }}", "writes more than"),
        ("{{ 'x' * 999999999 }}", "too large"),
        ("{{ ([1] * 999999999) | list | length }}", "too large"),
        ("{{ '%999999999d' | format(1) }}", "format makes more than"),
        ("{{ '%*d' | format(999999999, 1) }}", "format makes more than"),
        ("{{ '{:999999999}'.format(1) }}", "format makes more than"),
        ("{{ 'x' | indent(99999999999) }}", "indent makes more than"),
        ("{{ [1] | tojson(indent=999999999) }}", "cannot indent"),
    ] {
        let why = error_of(source);
        assert!(why.contains(error), "{source}: {why}");
    }
    let long = "y".repeat(50_000);
    assert!(error_of(&format!("{{% for i in range(9999) %}}{long}{{% endfor %}}")).contains("writes more than"));
    if let Some(peak) = peak_memory() {
        assert!(peak < 1 << 30, "{} MiB", peak >> 20);
    }
}

#[test]
fn deep_templates_do_not_overflow_the_stack() {
    // As much as the size limit allows, where the compiler does not look through a chain once for each of its links.
    let (size, chain) = (65_000, 9_000);
    for (source, error) in [
        (format!("{{{{ {}1 }}}}", "1 + ".repeat(size / 4)), None),
        (format!("{{{{ {}x }}}}", "1 ~ ".repeat(size / 4)), None),
        (format!("{{{{ x{} }}}}", " ~ 'a'".repeat(chain / 6)), None),
        (format!("{{{{ {}x }}}}", "not ".repeat(chain / 4)), None),
        (format!("{{{{ {}1 }}}}", "-".repeat(size)), None),
        (format!("{{{{ x{} }}}}", "|e".repeat(size / 2)), Some("out of fuel")),
        (format!("{{{{ x{} }}}}", ".a".repeat(size / 2)), Some("undefined value")),
        (format!("{{{{ x{} }}}}", "[0]".repeat(size / 3)), Some("undefined value")),
        (format!("{{{{ x{} }}}}", " if y else z".repeat(size / 12)), None),
        (format!("{{{{ {}{} }}}}", "[".repeat(size / 2), "]".repeat(size / 2)), Some("recursion limits")),
        (format!("{{{{ {}{} }}}}", "(".repeat(size / 2), ")".repeat(size / 2)), Some("recursion limits")),
        (format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(size / 12)), None),
        (format!("{}{}", "{% if a %}".repeat(3000), "{% endif %}".repeat(3000)), Some("recursion limits")),
        (format!("{}{}", "{% for a in b %}".repeat(2000), "{% endfor %}".repeat(2000)), Some("recursion limits")),
        ("x".repeat(1 << 20), Some("1048576 bytes long; at most 65536 are read")),
    ] {
        let result = ChatTemplate::new(&source, None, None).and_then(|template| template.render(&[], false));
        match (result, error) {
            (Ok(_), None) => {}
            (Err(Error::Template(why)), Some(error)) if why.contains(error) => {}
            (result, _) => panic!("{:?}: {:?}", &source[..20], result.map(|text| text.len())),
        }
    }
}

#[test]
fn raising_template_hands_its_message_over() {
    let why = error_of("{% if true %}\n{{ raise_exception('roles must alternate') }}{% endif %}");
    assert!(why.contains("roles must alternate") && why.contains("line 2"), "{why}");
}

#[test]
fn unknown_names_are_named_with_their_line() {
    for (source, name) in [
        ("\n\n{{ fetch_url('x') }}", "fetch_url"),
        ("\n\n{{ messages | shuffle }}", "shuffle"),
        ("\n\n{{ 'a'.encode() }}", "encode"),
        ("\n\n{{ 1 is prime }}", "prime"),
        ("\n\n{% include 'secret.txt' %}", "secret.txt"),
        ("\n\n{% import 'a' as b %}", "a"),
        ("\n\n{{ 'a' + 1 }}", "+"),
        ("\n\n{{ messages[0].x.y }}", "undefined"),
        ("\n\n{{ x | tojson }}", "tojson"),
        ("\n\n{% if %}", "unexpected"),
    ] {
        let why = error_of(source);
        assert!(why.contains(name) && why.contains("line 3"), "{source:?}: {why}");
    }
}

#[test]
fn templates_can_tell_the_date() {
    let template = ChatTemplate::new("{{ strftime_now('%Y-%m-%d') }}", None, None).unwrap();
    let date = template.render(&[], false).unwrap();
    assert!(date.len() == 10 && date.as_str() > "2024-01-01", "{date}");
    assert_eq!(template.at(951_782_400).render(&[], false).unwrap(), "2000-02-29");
}

#[test]
fn times_are_those_of_python() {
    let at = |format: &str, seconds| {
        let template = ChatTemplate::new(&format!("{{{{ strftime_now('{format}') }}}}"), None, None).unwrap();
        template.at(seconds).render(&[], false)
    };
    let format = "%d %B %Y, %e %b %y %j %I%p %A %a %F %T %H:%M:%S %m %%";
    for (seconds, expected) in [
        (951_782_400, "29 February 2000, 29 Feb 00 060 12AM Tuesday Tue 2000-02-29 00:00:00 00:00:00 02 %"),
        (1_735_689_599, "31 December 2024, 31 Dec 24 366 11PM Tuesday Tue 2024-12-31 23:59:59 23:59:59 12 %"),
    ] {
        assert_eq!(at(format, seconds).unwrap(), expected);
        assert!(at("%Y %Q", seconds).unwrap_err().to_string().contains("%Q"));
    }
}

#[test]
fn damaged_templates_end_in_text_or_an_error() {
    let goldens = goldens();
    let parts = [
        "{{", "}}", "{%", "%}", "{#", "'", "(", "[", "*", "~", "|", ".", "-", " ", "\n", "é", "99999999", "ns", "loop",
    ];
    let mut state = 7u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for _ in 0..60 {
        for case in goldens["templates"].as_array().unwrap() {
            let mut letters: Vec<_> = case["source"].as_str().unwrap().chars().collect();
            for _ in 0..=random(3) {
                let at = random(letters.len());
                let end = (at + random(6)).min(letters.len());
                letters.splice(at..end, parts[random(parts.len())].chars());
            }
            let source: String = letters.into_iter().collect();
            let result = ChatTemplate::new(&source, None, None)
                .and_then(|template| template.render(&[message("user", "Hi")], true));
            if let Err(error) = result {
                assert!(!error.to_string().contains("panicked"), "{source}");
            }
        }
    }
}
