//! Asks a model what is not in the journal yet.

use std::collections::HashMap;

use super::asked::{Asked, AskedSet, AskedTask, Tokens};
use super::journal::{Journal, Kept};
use crate::error::Result;
use crate::generate::{self, Engine, Event, Flow, Question, TokenScore};
use crate::text::Tokenizer;

/// Which documents of all a run asks: number `index` of every `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

impl Shard {
    pub const ALL: Shard = Shard { index: 0, count: 1 };

    pub fn has(self, document: usize) -> bool {
        document % self.count == self.index
    }
}

/// Who hears how a run goes, and may stop it.
pub trait Watch {
    /// A set begins: its name, and tokens of it that the journal lacks.
    fn set(&mut self, name: &str, tokens: usize) -> Result<()>;
    /// So many tokens of the set are done, more or less.
    fn tokens(&mut self, tokens: usize) -> Result<()>;
}

/// What runs the model.
pub struct Runner<'a> {
    pub engine: &'a mut Engine,
    pub tokenizer: &'a Tokenizer,
    /// Ids that end a reply.
    pub stop: &'a [u32],
    /// Compute what documents have in common once.
    pub share: bool,
}

impl Runner<'_> {
    /// Asks for all documents of `shard` that `journal` lacks.
    pub fn run(
        &mut self,
        tasks: &[AskedTask],
        shard: Shard,
        journal: &mut Journal,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        for set in tasks.iter().flat_map(|task| &task.sets) {
            self.set(set, shard, journal, watch)?;
        }
        journal.sync()
    }

    fn set(&mut self, set: &AskedSet, shard: Shard, journal: &mut Journal, watch: &mut dyn Watch) -> Result<()> {
        let of_shard = set.documents.iter().enumerate().filter(|(id, _)| shard.has(*id)).map(|(_, asked)| asked);
        let mut missing: Vec<&Asked> = of_shard.filter(|asked| journal.get(&asked.key).is_none()).collect();
        watch.set(&set.set.name, missing.iter().map(|asked| asked.tokens.count()).sum())?;
        if missing.is_empty() {
            return Ok(());
        }
        // The longest first: what does not fit shows at once, and rounds of the cache are of equal length.
        missing.sort_by_key(|asked| std::cmp::Reverse(asked.tokens.count()));
        // Of all documents, asked or not, so that it does not depend on what was asked before.
        let shared = if self.share { set.shared() } else { 0 };
        let beginning = set.documents[0].tokens.beginning()[..shared].to_vec();
        self.choices(&beginning, &missing, journal, watch)?;
        self.replies(&beginning, &missing, journal, watch)
    }

    fn choices(
        &mut self,
        shared: &[u32],
        asked: &[&Asked],
        journal: &mut Journal,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let mut questions = Vec::new();
        // Of each question its document, and its number in there.
        let mut owners = Vec::new();
        for &asked in asked {
            let Tokens::Choices { questions: of, choices } = &asked.tokens else { continue };
            for (at, question) in of.iter().enumerate() {
                let ids = question.ids[shared.len()..].to_vec();
                questions.push(Question { ids, answers: question.answers.clone() });
                owners.push((asked, at, of.len(), choices));
            }
        }
        let mut scored: HashMap<&str, HashMap<usize, Vec<Vec<TokenScore>>>> = HashMap::new();
        self.engine.score(shared, &questions, &mut |question, scores| {
            let (asked, at, count, choices) = owners[question];
            let parts = scored.entry(&asked.key).or_default();
            parts.insert(at, scores);
            if parts.len() < count {
                return Ok(());
            }
            journal.put(&asked.key, kept(choices.iter().map(|(question, answer)| &parts[question][*answer])))?;
            scored.remove(asked.key.as_str());
            watch.tokens(asked.tokens.count())
        })
    }

    fn replies(
        &mut self,
        shared: &[u32],
        asked: &[&Asked],
        journal: &mut Journal,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let mut prompts = Vec::new();
        let mut owners = Vec::new();
        for &asked in asked {
            let Tokens::Reply { ids, limit } = &asked.tokens else { continue };
            prompts.push(generate::Asked { ids: ids[shared.len()..].to_vec(), limit: *limit });
            owners.push((asked, asked.prompt.until()));
        }
        let mut replies: HashMap<usize, Vec<u32>> = HashMap::new();
        let (tokenizer, stop) = (self.tokenizer, self.stop);
        self.engine.replies(shared, &prompts, &mut |number, event| {
            let (asked, until) = owners[number];
            let ids = replies.entry(number).or_default();
            let kept = match event {
                Event::Token(id) if stop.contains(&id) => return Ok(Flow::Stop),
                Event::Token(id) => {
                    ids.push(id);
                    watch.tokens(0)?;
                    // A stop string may end inside a token and begin many tokens before.
                    let text = tokenizer.decode(ids, true)?;
                    let stopped = until.iter().any(|stop| text.contains(stop));
                    return Ok(if stopped { Flow::Stop } else { Flow::Continue });
                }
                Event::End => Kept::Reply(cut(tokenizer.decode(ids, true)?, until)),
                Event::NotFinite => Kept::Error(NOT_FINITE.to_owned()),
            };
            replies.remove(&number);
            journal.put(&asked.key, kept)?;
            watch.tokens(asked.tokens.count())?;
            Ok(Flow::Continue)
        })
    }
}

const NOT_FINITE: &str = "the model's logits are not numbers";

/// Sums of scores; one that is no number spoils the document.
fn kept<'a>(answers: impl Iterator<Item = &'a Vec<TokenScore>>) -> Kept {
    let sums = answers.map(|tokens| {
        let sum: f64 = tokens.iter().map(|token| -f64::from(token.nll)).sum();
        (sum, tokens.iter().all(|token| token.below == 0.0))
    });
    let sums: Vec<(f64, bool)> = sums.collect();
    if sums.iter().all(|(sum, _)| sum.is_finite()) { Kept::Choices(sums) } else { Kept::Error(NOT_FINITE.to_owned()) }
}

/// A reply up to the first of its stop strings.
fn cut(mut text: String, until: &[String]) -> String {
    for stop in until {
        if let Some(at) = text.find(stop) {
            text.truncate(at);
        }
    }
    text
}
