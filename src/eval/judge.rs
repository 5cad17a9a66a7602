//! A judge: a model behind an endpoint that speaks OpenAI's chat completions, as vLLM, llama.cpp and others do.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

use crate::error::{Error, Result};

/// Bytes of the largest response that is read; 1,024 tokens have a few thousand.
const MAX_RESPONSE: u64 = 1 << 20;
/// The longest wait between two attempts, whatever the endpoint asks for.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The address of a judge, and the patience with it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Up to and with the version: `http://localhost:8000/v1`.
    pub url: String,
    /// As the endpoint knows it.
    pub model: String,
    /// The environment variable that holds the key, where one is needed. The key itself is never shown or stored.
    pub key_variable: Option<String>,
    /// For one attempt, from connecting to the last byte.
    pub timeout: Duration,
    /// Attempts before giving up, at least one.
    pub attempts: u32,
    /// Wait after the first failure; it doubles with every other, to a minute at most.
    pub wait: Duration,
}

impl Endpoint {
    /// Returns an endpoint with two minutes for an attempt, and six attempts within about half a minute of waiting.
    pub fn new(url: &str, model: &str) -> Endpoint {
        let [timeout, wait] = [120, 1].map(Duration::from_secs);
        Endpoint { url: url.to_owned(), model: model.to_owned(), key_variable: None, timeout, attempts: 6, wait }
    }
}

/// A judge's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub text: String,
    /// The model as the endpoint names it in its response, which can say more than its name in the request.
    pub model: String,
}

/// An endpoint that can be asked.
pub struct Judge {
    agent: Agent,
    endpoint: Endpoint,
    url: String,
    key: Option<String>,
}

/// The reason why an attempt failed.
enum AttemptFailure {
    /// Another attempt may go well: the endpoint is busy, or down for a moment. Perhaps it said how long to wait.
    Passing(String, Option<Duration>),
    /// It will not.
    Lasting(Error),
}

impl Judge {
    /// # Errors
    /// The environment variable of the key is not set; the URL is not one of HTTP; it is `https` and this build has
    /// no TLS (cargo feature `tls`).
    pub fn new(endpoint: Endpoint) -> Result<Judge> {
        let expected = match cfg!(feature = "tls") {
            true => "a URL that starts with http:// or https://",
            false => "a URL that starts with http:// (this build has no TLS)",
        };
        let url = &endpoint.url;
        if !(url.starts_with("http://") || cfg!(feature = "tls") && url.starts_with("https://")) {
            let fix = "give the address up to /v1; for https build with the cargo feature tls";
            return Err(Error::request("judge", expected, url, fix));
        }
        let key = endpoint.key_variable.as_ref().map(|name| {
            let key = std::env::var(name).ok().filter(|key| !key.trim().is_empty());
            let fix = "set it, or leave out the name of the variable";
            key.ok_or_else(|| Error::request("judge", format!("a key in the variable {name}"), "none", fix))
        });
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A key must not travel to another host.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(endpoint.timeout))
            .build();
        let url = format!("{}/chat/completions", endpoint.url.trim_end_matches('/'));
        Ok(Judge { agent: config.into(), url, key: key.transpose()?.map(|key| key.trim().to_owned()), endpoint })
    }

    /// Its model, as the endpoint knows it.
    pub fn model(&self) -> &str {
        &self.endpoint.model
    }

    /// Asks one prompt, as a message of the user, at temperature 0 and with 1,024 tokens at most.
    ///
    /// Busy endpoints (429), failing ones (5xx) and connections that break or time out are asked again.
    ///
    /// # Errors
    /// All attempts failed; another status; a response that is too large or none of a chat completion.
    pub fn ask(&self, prompt: &str) -> Result<Verdict> {
        self.ask_and_wait(prompt, thread::sleep)
    }

    /// Does the same, with `wait` for the time between attempts.
    ///
    /// # Errors
    /// As [`Judge::ask`].
    pub fn ask_and_wait(&self, prompt: &str, mut wait: impl FnMut(Duration)) -> Result<Verdict> {
        let body = json!({
            "model": self.endpoint.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": 1024,
        });
        let body = body.to_string();
        let mut longer = self.endpoint.wait;
        let mut attempt = 1;
        loop {
            let (why, asked) = match self.attempt(&body) {
                Ok(verdict) => return Ok(verdict),
                Err(AttemptFailure::Lasting(error)) => return Err(error),
                Err(AttemptFailure::Passing(why, asked)) => (why, asked),
            };
            if attempt >= self.endpoint.attempts {
                let found = format!("{why}, at the last of {attempt} attempts");
                let fix = "see whether the endpoint runs, then start again: what is done is kept";
                return Err(self.error("a reply", found, fix));
            }
            wait(asked.unwrap_or(longer).min(MAX_WAIT));
            longer = longer.saturating_mul(2);
            attempt += 1;
        }
    }

    fn attempt(&self, body: &str) -> Result<Verdict, AttemptFailure> {
        let mut request = self.agent.post(&self.url).header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|error| self.failure(error))?;
        let status = response.status().as_u16();
        let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let text = response.body_mut().with_config().limit(MAX_RESPONSE).lossy_utf8(true).read_to_string();
        let text = text.map_err(|error| self.failure(error))?;
        match status {
            200 => self.verdict(&text).map_err(AttemptFailure::Lasting),
            429 | 500..=599 => {
                let why = format!("status {status}: {}", beginning(&text));
                Err(AttemptFailure::Passing(why, asked.map(Duration::from_secs)))
            }
            _ => {
                let fix = "correct the address, the model or the key";
                Err(AttemptFailure::Lasting(self.error("status 200", format!("{status}: {}", beginning(&text)), fix)))
            }
        }
    }

    fn verdict(&self, text: &str) -> Result<Verdict> {
        let malformed = |expected: &str| {
            self.error(expected, beginning(text), "give an endpoint that speaks OpenAI's chat completions")
        };
        let response: Value = serde_json::from_str(text).map_err(|_| malformed("JSON"))?;
        let content = response["choices"][0]["message"]["content"].as_str();
        let text = content.ok_or_else(|| malformed("a text in choices[0].message.content"))?.to_owned();
        let model = response["model"].as_str().unwrap_or(&self.endpoint.model).to_owned();
        Ok(Verdict { text, model })
    }

    fn failure(&self, error: ureq::Error) -> AttemptFailure {
        use ureq::Error::{BodyExceedsLimit, BodyStalled, ConnectionFailed, HostNotFound, Io, Timeout};
        match error {
            BodyExceedsLimit(_) => {
                let fix = "give an endpoint that speaks OpenAI's chat completions";
                AttemptFailure::Lasting(self.error(&format!("at most {MAX_RESPONSE} bytes"), "more".to_owned(), fix))
            }
            Timeout(_) => AttemptFailure::Passing(format!("no whole reply within {:?}", self.endpoint.timeout), None),
            Io(_) | ConnectionFailed | BodyStalled | HostNotFound => AttemptFailure::Passing(error.to_string(), None),
            _ => {
                let error = self.error("a request that can be sent", error.to_string(), "correct the address");
                AttemptFailure::Lasting(error)
            }
        }
    }

    fn error(&self, expected: &str, found: String, fix: &str) -> Error {
        Error::request(format!("judge {} at {}", self.endpoint.model, self.url), expected, found, fix)
    }
}

/// Returns the beginning of a response, for an error message: control characters as blanks.
fn beginning(text: &str) -> String {
    let shown: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let shown = shown.trim();
    if shown.is_empty() { "nothing".to_owned() } else { shown.to_owned() }
}
