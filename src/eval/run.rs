//! Runs the requests that the journal has no answer to.

use std::collections::HashMap;

use super::journal::Journal;
use super::requests::{Request, Shard, SubsetRequests, Tokens};
use crate::error::Result;
use crate::generate::{BatchPrompt, BatchQuestion, Engine, Event, Flow, TokenScore};
use crate::progress::Progress;
use crate::tasks::Response;
use crate::text::Tokenizer;

/// A run of requests: a model, the journal that takes its answers, and the progress.
pub struct Runner<'a> {
    pub engine: &'a mut Engine,
    pub tokenizer: &'a Tokenizer,
    /// Ids that end a reply.
    pub stop: &'a [u32],
    /// Compute what documents have in common once.
    pub share: bool,
    pub journal: &'a mut Journal,
    pub progress: &'a mut dyn Progress,
    /// Tokens done so far, and all that the run will do.
    pub done: u64,
    pub total: u64,
}

impl Runner<'_> {
    /// Runs the requests of a set that are in `shard` and have no answer in the journal.
    ///
    /// # Errors
    /// Those of the device and of the journal; what the progress returns.
    pub fn set(&mut self, set: &SubsetRequests, shard: Shard) -> Result<()> {
        let mut missing = set.missing(shard, self.journal);
        if missing.is_empty() {
            return Ok(());
        }
        self.progress.at(&set.set.name, self.done, self.total)?;
        // The longest first: what does not fit shows at once, and rounds of the cache are of equal length.
        missing.sort_by_key(|request| std::cmp::Reverse(request.tokens.count()));
        // The beginning of all documents, missing or not: it must not depend on earlier runs.
        let shared = if self.share { set.shared() } else { 0 };
        let beginning = set.requests[0].tokens.beginning()[..shared].to_vec();
        self.choices(&set.set.name, &beginning, &missing)?;
        self.replies(&set.set.name, &beginning, &missing)
    }

    fn choices(&mut self, set: &str, shared: &[u32], requests: &[&Request]) -> Result<()> {
        let mut questions = Vec::new();
        // The document of each question, and the question's number in it.
        let mut owners = Vec::new();
        for &request in requests {
            let Tokens::Choices { questions: of, choices } = &request.tokens else { continue };
            for (at, question) in of.iter().enumerate() {
                let ids = question.ids[shared.len()..].to_vec();
                questions.push(BatchQuestion { ids, answers: question.answers.clone() });
                owners.push((request, at, of.len(), choices));
            }
        }
        let mut scored: HashMap<&str, HashMap<usize, Vec<Vec<TokenScore>>>> = HashMap::new();
        let Runner { engine, journal, progress, done, total, .. } = self;
        engine.score(shared, &questions, &mut |question, scores| {
            let (request, at, count, choices) = owners[question];
            let parts = scored.entry(&request.key).or_default();
            parts.insert(at, scores);
            if parts.len() < count {
                return Ok(());
            }
            journal.put(&request.key, sums(choices.iter().map(|(question, answer)| &parts[question][*answer])))?;
            scored.remove(request.key.as_str());
            *done += request.tokens.count() as u64;
            progress.at(set, *done, *total)
        })
    }

    fn replies(&mut self, set: &str, shared: &[u32], requests: &[&Request]) -> Result<()> {
        let mut prompts = Vec::new();
        let mut owners = Vec::new();
        for &request in requests {
            let Tokens::Reply { ids, max_new_tokens } = &request.tokens else { continue };
            prompts.push(BatchPrompt { ids: ids[shared.len()..].to_vec(), limit: *max_new_tokens });
            owners.push((request, request.prompt.until()));
        }
        let mut replies: HashMap<usize, Vec<u32>> = HashMap::new();
        let Runner { engine, tokenizer, stop, journal, progress, done, total, .. } = self;
        engine.replies(shared, &prompts, &mut |number, event| {
            let (request, until) = owners[number];
            let ids = replies.entry(number).or_default();
            let response = match event {
                Event::Token(id) if stop.contains(&id) => return Ok(Flow::Stop),
                Event::Token(id) => {
                    ids.push(id);
                    progress.at(set, *done, *total)?;
                    // A stop string may end inside a token and begin many tokens before.
                    let text = tokenizer.decode(ids, true)?;
                    let stopped = until.iter().any(|stop| text.contains(stop));
                    return Ok(if stopped { Flow::Stop } else { Flow::Continue });
                }
                Event::End => Response::Reply(cut(tokenizer.decode(ids, true)?, until)),
                Event::NotFinite => Response::Error(NOT_FINITE.to_owned()),
            };
            replies.remove(&number);
            journal.put(&request.key, response)?;
            *done += request.tokens.count() as u64;
            progress.at(set, *done, *total)?;
            Ok(Flow::Continue)
        })
    }
}

const NOT_FINITE: &str = "the model's logits are not numbers";

/// Sums the scores of each choice; one that is no number makes the document an error.
fn sums<'a>(answers: impl Iterator<Item = &'a Vec<TokenScore>>) -> Response {
    let sums = answers.map(|tokens| {
        let sum: f64 = tokens.iter().map(|token| -f64::from(token.nll)).sum();
        (sum, tokens.iter().all(|token| token.gap == 0.0))
    });
    let sums: Vec<(f64, bool)> = sums.collect();
    let finite = sums.iter().all(|(sum, _)| sum.is_finite());
    if finite { Response::Choices(sums) } else { Response::Error(NOT_FINITE.to_owned()) }
}

/// Cuts a reply at the first of its stop strings.
fn cut(mut text: String, until: &[String]) -> String {
    for stop in until {
        if let Some(at) = text.find(stop) {
            text.truncate(at);
        }
    }
    text
}
