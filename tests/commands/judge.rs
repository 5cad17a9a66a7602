//! The client of a judge against a stand-in server: good replies, bad ones, and none.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use qwgpu::eval::judge::{Endpoint, Judge, Verdict};
use serde_json::{Value, json};

use crate::command::{self, ended, qwgpu};
use crate::errors::assert_says;
use crate::files::{copy_folder, fixture};

/// Answers one connection after the other, each with one of `responses`; closes after the last. Gives the address
/// and what it was asked.
fn server(responses: Vec<Vec<u8>>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let (send, asked) = mpsc::channel();
    thread::spawn(move || {
        for response in responses {
            let (mut stream, _) = listener.accept().unwrap();
            send.send(request(&mut stream)).unwrap();
            // The client may have left.
            let _ = stream.write_all(&response);
        }
    });
    (address, asked)
}

/// Head and body of a request.
fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length = text.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if bytes.len() >= head + 4 + length.parse::<usize>().unwrap() {
            return String::from_utf8(bytes).unwrap();
        }
    }
}

fn response(status: &str, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    (head + body).into_bytes()
}

fn good(text: &str) -> Vec<u8> {
    let body = json!({"model": "stand-in-2024", "choices": [{"message": {"role": "assistant", "content": text}}]});
    response("200 OK", &body.to_string())
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        attempts: 3,
        wait: Duration::from_millis(20),
        // Never reached: however busy the machine is, the stand-in answers sooner.
        timeout: Duration::from_secs(600),
        ..Endpoint::new(url, "stand-in")
    }
}

fn ask(endpoint: Endpoint) -> Result<Verdict, String> {
    ask_and_wait(endpoint).0
}

/// Asks without waiting, and returns how long it would have waited in milliseconds between attempts.
fn ask_and_wait(endpoint: Endpoint) -> (Result<Verdict, String>, Vec<u128>) {
    let mut waits = Vec::new();
    let verdict = Judge::new(endpoint).unwrap().ask_and_wait("Is it?\n“é”", |wait| waits.push(wait.as_millis()));
    (verdict.map_err(|error| error.to_string()), waits)
}

#[test]
fn a_good_reply() {
    let (url, asked) = server(vec![good("fine\n['YES']")]);
    let verdict = ask(endpoint(&url)).unwrap();
    assert_eq!(verdict, Verdict { text: "fine\n['YES']".into(), model: "stand-in-2024".into() });
    let request = asked.recv().unwrap();
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(!request.to_lowercase().contains("authorization"));
    let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let messages = json!([{"role": "user", "content": "Is it?\n“é”"}]);
    let expected = json!({"model": "stand-in", "messages": messages, "temperature": 0, "max_tokens": 1024});
    assert_eq!(body, expected);
}

#[test]
fn a_key_is_sent_and_never_shown() {
    // Any variable that is set will do; the test sets none, which other threads could see half done.
    let key = std::env::var("PATH").unwrap();
    let (url, asked) = server(vec![response("401 Unauthorized", "no such key")]);
    let error = ask(Endpoint { key_variable: Some("PATH".into()), ..endpoint(&url) }).unwrap_err();
    assert!(asked.recv().unwrap().contains(&format!("Bearer {}\r\n", key.trim())));
    assert!(error.contains("401: no such key") && !error.contains(&key), "{error}");
    let missing = Endpoint { key_variable: Some("QWGPU_TEST_NO_SUCH_KEY".into()), ..endpoint(&url) };
    let error = Judge::new(missing).err().unwrap().to_string();
    assert!(error.contains("a key in the variable QWGPU_TEST_NO_SUCH_KEY, found none"), "{error}");
}

#[test]
fn a_busy_endpoint_is_asked_again() {
    let busy =
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let (url, asked) = server(vec![busy, good("YES")]);
    let (verdict, waits) = ask_and_wait(endpoint(&url));
    assert_eq!(verdict.unwrap().text, "YES");
    assert_eq!(waits, [7000], "as the endpoint asked");
    assert_eq!(asked.iter().count(), 2);
}

#[test]
fn a_failing_endpoint_is_given_up() {
    let (url, asked) = server(vec![response("500 Oh", "out of memory\nat all"); 3]);
    let (verdict, waits) = ask_and_wait(endpoint(&url));
    let error = verdict.unwrap_err();
    assert_eq!(waits, [20, 40], "twice as long each time");
    assert_eq!(asked.iter().count(), 3);
    assert!(error.contains("status 500: out of memory at all, at the last of 3 attempts"), "{error}");
    assert!(error.contains(&format!("judge stand-in at {url}/chat/completions")), "{error}");
}

#[test]
fn other_statuses_are_not_asked_again() {
    let moved =
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            .to_vec();
    for (answer, found) in [(response("404 Not Found", "no model"), "404: no model"), (moved, "302: nothing")] {
        let (url, asked) = server(vec![answer]);
        let error = ask(endpoint(&url)).unwrap_err();
        assert!(error.contains(found), "{error}");
        assert_eq!(asked.iter().count(), 1);
    }
}

#[test]
fn garbage_is_shown() {
    let deep = "[".repeat(100_000);
    for (body, expected) in [
        ("<html>\u{1b}[31mhello</html>", "expected JSON, found <html> [31mhello</html>"),
        ("", "expected JSON, found nothing"),
        (deep.as_str(), "expected JSON, found [[["),
        (r#"{"choices": []}"#, "expected a text in choices[0].message.content"),
        (r#"{"choices": [{"message": {"content": null}}]}"#, "expected a text in choices[0].message.content"),
    ] {
        let (url, _asked) = server(vec![response("200 OK", body)]);
        let error = ask(endpoint(&url)).unwrap_err();
        assert!(error.contains(expected) && error.len() < 600, "{error}");
    }
    let (url, _asked) = server(vec![b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()]);
    assert!(ask(endpoint(&url)).unwrap_err().contains("expected a request that can be sent"));
}

#[test]
fn a_huge_reply_is_refused() {
    let mut huge = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    huge.resize(3 << 20, b' ');
    let (url, _asked) = server(vec![huge]);
    let error = ask(endpoint(&url)).unwrap_err();
    assert!(error.contains("expected at most 1048576 bytes, found more"), "{error}");
}

#[test]
fn a_slow_reply_is_not_awaited() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").unwrap();
            open.push(stream);
        }
    });
    // The reply never ends, so that any timeout is reached, on a busy machine too.
    let error = ask(Endpoint { timeout: Duration::from_millis(200), attempts: 2, ..endpoint(&url) }).unwrap_err();
    assert!(error.contains("no whole reply within 200ms, at the last of 2 attempts"), "{error}");
}

#[test]
fn no_endpoint_at_all() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let error = ask(endpoint(&url)).unwrap_err();
    assert!(error.contains("refused") && error.contains("at the last of 3 attempts"), "{error}");
}

#[test]
fn addresses_that_are_none() {
    for url in ["localhost:8000/v1", "ftp://localhost", ""] {
        let error = Judge::new(endpoint(url)).err().unwrap().to_string();
        assert!(error.contains("expected a URL that starts with http://"), "{error}");
    }
    let https = Judge::new(endpoint("https://localhost/v1"));
    assert_eq!(https.is_ok(), cfg!(feature = "tls"));
    assert!(ask(endpoint("http://bad host/v1")).unwrap_err().contains("correct the address"));
}

/// From replies to verdicts to metrics, by `qwgpu eval`: of one example's first two levels, of which no rule decides.
#[test]
fn an_evaluation_asks_for_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("long-qwen");
    let data = folder.path().join("data/followbench/data");
    copy_folder(&fixture("tiny-qwen"), &model);
    copy_folder(&fixture("tiny-data/followbench/data"), &data);
    // A reply may be longer than the bundled model's context.
    replace(&model.join("config.json"), r#""max_position_embeddings": 1024"#, r#""max_position_embeddings": 4096"#);
    // Content from this source is judged, not compared.
    replace(&data.join("content_constraints.json"), "CONLL2003", "self_instruct");
    let eval = |url: Option<&str>| {
        let mut command = qwgpu(["eval", "--path", "cpu", "--tasks", "followbench", "--limit", "2", "--json"]);
        command.arg("--model").arg(&model).arg("--data").arg(folder.path().join("data"));
        command.arg("--out").arg(folder.path().join("out"));
        command.args(url.into_iter().flat_map(|url| ["--judge", url, "--judge-model", "stand-in"]));
        command::json(&ended(0, command.output().unwrap()))
    };
    let without = eval(None);
    let all = |results: &Value, name: &str| results["results"]["followbench_content"][format!("{name},all")].clone();
    assert_eq!(all(&without, "hsr_1"), "N/A", "no rule decides");

    let (url, asked) = server(vec![good("It does.\n['YES']"), good("Half of it.\n['YES', 'NO']")]);
    let judged = eval(Some(&url));
    let requests: Vec<String> = asked.iter().collect();
    assert!(requests.len() == 2 && requests[1].contains("2 additional constraints"), "{requests:?}");
    assert_eq!(all(&judged, "hsr_1"), json!(1.0));
    assert_eq!(all(&judged, "hsr_2"), json!(0.0));
    assert_eq!(all(&judged, "ssr_2"), json!(0.5));

    // Everything is known: the endpoint, which is gone, is not asked again.
    assert_eq!(eval(Some(&url))["results"], judged["results"]);
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = assert_says(std::fs::read_to_string(file).unwrap(), &[from]);
    std::fs::write(file, text.replace(from, to)).unwrap();
}
