//! Chat templates against `transformers` (scripts/make_text_goldens.py), and templates that mean harm.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use qwgpu::Error;
use qwgpu::checkpoint::Checkpoint;
use qwgpu::text::{ChatTemplate, Message};
use serde_json::Value;
use sha2::{Digest, Sha256};

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
fn template_of_a_real_model_renders_as_in_transformers() {
    let path = std::env::var_os("QWGPU_MODEL").map(PathBuf::from).or_else(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let mut files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        files.find(|path| path.extension().is_some_and(|ending| ending == "gguf"))
    });
    let Some(path) = path else {
        println!("skipped: neither QWGPU_MODEL nor models/*.gguf is there");
        return;
    };
    let source = Checkpoint::open(&path).unwrap().chat_template.unwrap();
    let goldens = goldens();
    let hash: String = Sha256::digest(&source).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, goldens["model"]["sha256"], "the goldens are of another model");
    let template = ChatTemplate::new(&source, None, None).unwrap();
    let wrong = differences("model", &template, &goldens, &goldens["model"]["rendered"]);
    assert!(wrong.is_empty(), "{}", wrong[..wrong.len().min(4)].join("\n"));

    let long = vec![message("user", &"word ".repeat(200)); 1000];
    let start = Instant::now();
    let text = template.render(&long, true).unwrap();
    println!("1000 messages, {} bytes in {:.4} s", text.len(), start.elapsed().as_secs_f64());
    let start = Instant::now();
    template.render(&[message("user", "Hi")], true).unwrap();
    println!("one message in {:.6} s", start.elapsed().as_secs_f64());
}

#[test]
fn chatml_without_a_template() {
    let user = [message("user", "Hi")];
    let turn = "<|im_start|>user\nHi<|im_end|>\n";
    let template = ChatTemplate::chatml(Some("It's \\n \"so\" {{ 1 }} {% if %}.\nBe kind."));
    let system = "<|im_start|>system\nIt's \\n \"so\" {{ 1 }} {% if %}.\nBe kind.<|im_end|>\n";
    assert_eq!(template.render(&user, false).unwrap(), format!("{system}{turn}"));
    assert_eq!(template.render(&[], true).unwrap(), format!("{system}<|im_start|>assistant\n"));

    let both = [message("system", "S"), message("user", "Hi")];
    let expected = format!("<|im_start|>system\nS<|im_end|>\n{turn}<|im_start|>assistant\n");
    assert_eq!(template.render(&both, true).unwrap(), expected);
    assert_eq!(ChatTemplate::chatml(None).render(&user, false).unwrap(), turn);
}

/// The error of a template for a short conversation, and not after more than its time.
fn error_of(source: &str) -> String {
    let start = Instant::now();
    let result = ChatTemplate::new(source, None, None)
        .and_then(|template| template.render(&[message("system", "S"), message("user", "Hi")], true));
    let took = start.elapsed();
    let shown = &source[..source.len().min(200)];
    // The bound is one second of work; a machine that does other things is given more.
    assert!(took < Duration::from_secs(5), "{took:?}: {shown}");
    match result {
        Err(Error::Template(why)) => {
            println!("{:.3} s: {why}", took.as_secs_f64());
            why
        }
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
        error_of(&format!("{forever}{body}{{% endfor %}}{{% endfor %}}"));
    }
    let why = error_of("{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}");
    assert!(why.contains("line 1"), "{why}");
    error_of("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}");
}

#[test]
fn growing_templates_end_before_they_fill_memory() {
    let each = |body: &str| {
        format!(
            "{{% set ns = namespace(s='{}', l=[1]) %}}{{% for i in range(99999) %}}{body}{{% endfor %}}",
            "x".repeat(1000)
        )
    };
    for body in [
        "{% set ns.s = ns.s ~ ns.s %}",
        "{% set ns.s = ns.s + ns.s %}",
        "{% set ns.s = ns.s * 2 %}",
        "{% set ns.s = ns.s | replace('x', ns.s) %}",
        "{% set ns.s = ns.s.replace('', ns.s) %}",
        "{% set ns.s = [ns.s, ns.s] | join(ns.s) %}",
        "{% set ns.s = ns.s.join([ns.s, ns.s]) %}",
        "{% set ns.s = '%s%s' | format(ns.s, ns.s) %}",
        "{% set ns.s = '{0}{0}{0}'.format(ns.s) %}",
        "{% set ns.s = ns.s | indent(ns.s | length) ~ ns.s %}",
        "{% set t %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = t %}",
        "{% set ns.s %}{% filter upper %}{{ ns.s }}{{ ns.s }}{% endfilter %}{% endset %}",
        "{% set ns.l = ns.l + ns.l %}",
        "{% set ns.l = ns.l * 2 %}",
        "{% set ns.l = [ns.l, ns.l] %}",
        "{% set ns.l = {'a': ns.l, 'b': ns.l} %}",
        "{% set ns.l = dict(a=ns.l, b=ns.l) %}",
        "{% set ns.l = namespace(a=ns.l, b=ns.l) %}",
        "{% set ns.l = ns.l | zip(ns.l) | list %}",
        "{% set ns.l = ns.l + (ns.s | list) %}",
        "{% set ns.l = ns.l + [ns.s ~ i] %}",
        "{% set ns.l = [ns.l] %}",
        "{% set ns.l = ns %}{{ ns }}",
        "{% set ns.l = [ns] %}{{ ns == ns }}",
        "{{ ns.s }}",
    ] {
        error_of(&each(body));
    }
    for source in [
        "{{ 'x' * 99999999 }}".to_owned(),
        "{{ 99999999 * 'x' }}".to_owned(),
        "{{ ('x' * 99999999) ~ ('x' * 99999999) ~ ('x' * 99999999) }}".to_owned(),
        "{{ ([1] * 99999999) | list | length }}".to_owned(),
        "{% set x = 'x' * 9999 * 9999 %}".to_owned(),
        "{{ '%999999999d' | format(1) }}".to_owned(),
        "{{ '%*d' | format(999999999, 1) }}".to_owned(),
        "{{ '{:999999999}'.format(1) }}".to_owned(),
        "{{ 'x' | indent(9999999999) }}{{ 'a\nb' | indent(999999999) }}".to_owned(),
        "{{ [1] | tojson(indent=999999999) }}".to_owned(),
        format!("{{% set t %}}{{% for i in range(99999) %}}{}{{% endfor %}}{{% endset %}}", "y".repeat(50_000)),
        format!("{{% for i in range(99999) %}}{}{{% endfor %}}", "y".repeat(50_000)),
    ] {
        error_of(&source);
    }
    if let Some(peak) = peak_memory() {
        println!("peak {} MiB", peak >> 20);
        assert!(peak < 1 << 30, "{} MiB", peak >> 20);
    }
}

#[test]
fn deep_templates_do_not_overflow_the_stack() {
    // What fits in the size limit, so some of these are right to succeed.
    let (start, size) = (Instant::now(), 65_000);
    for source in [
        format!("{{{{ {}1 }}}}", "1 + ".repeat(size / 4)),
        format!("{{{{ {}x }}}}", "1 ~ ".repeat(size / 4)),
        format!("{{{{ x{} }}}}", " ~ 'a'".repeat(size / 6)),
        format!("{{{{ {}x }}}}", "not ".repeat(size / 4)),
        format!("{{{{ {}1 }}}}", "-".repeat(size)),
        format!("{{{{ x{} }}}}", "|e".repeat(size / 2)),
        format!("{{{{ x{} }}}}", ".a".repeat(size / 2)),
        format!("{{{{ x{} }}}}", "[0]".repeat(size / 3)),
        format!("{{{{ x{} }}}}", " if y else z".repeat(size / 12)),
        format!("{{{{ {}{} }}}}", "[".repeat(size / 2), "]".repeat(size / 2)),
        format!("{{{{ {}{} }}}}", "(".repeat(size / 2), ")".repeat(size / 2)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(size / 12)),
        format!("{}{}", "{% if a %}".repeat(5000), "{% endif %}".repeat(5000)),
        format!("{}{}", "{% for a in b %}".repeat(3000), "{% endfor %}".repeat(3000)),
        format!("{{{{ {}x }}}}", "not ".repeat(498)).repeat(32),
        format!("{{{{ {}x }}}}", "-".repeat(498)).repeat(129),
        format!("{{{{ x{} }}}}", "~'a'".repeat(498)).repeat(32),
        "x".repeat(1 << 20),
    ] {
        let from = Instant::now();
        let result = ChatTemplate::new(&source, None, None).and_then(|template| template.render(&[], false));
        let shown = result.map(|text| text.len()).map_err(|error| error.to_string());
        println!("{:.3} s {:?} {shown:?}", from.elapsed().as_secs_f64(), &source[..20]);
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
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
    assert!(error_of("{% block a %}{% endblock %}").contains("block"));
    assert!(error_of("{{ loop.changed(1) }}").contains("changed"));
}

#[test]
fn templates_can_tell_the_date() {
    let template = ChatTemplate::new("{{ strftime_now('%Y-%m-%d') }}", None, None).unwrap();
    let date = template.render(&[], false).unwrap();
    assert!(date.len() == 10 && date.as_str() > "2024-01-01", "{date}");
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
