//! Asks a model what is not in the journal yet.

use std::collections::HashMap;

use super::asked::{Asked, AskedSet, AskedTask, Tokens};
use super::journal::{Journal, Kept};
use crate::error::Result;
use crate::generate::{self, Engine, Event, Flow, Question, TokenScore};
use crate::tasks::Ask;
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

/// Documents with a common beginning of fewer tokens are asked one by one.
const LEAST_SHARED: usize = 16;

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
        let shared = if self.share { common(&set.documents) } else { 0 };
        let beginning = set.documents[0].tokens.beginning()[..shared].to_vec();
        let (choices, replies): (Vec<&Asked>, Vec<&Asked>) =
            missing.into_iter().partition(|asked| matches!(asked.prompt.ask, Ask::Choices(_)));
        self.choices(&beginning, &choices, journal, watch)?;
        self.replies(&beginning, &replies, journal, watch)
    }

    fn choices(
        &mut self,
        shared: &[u32],
        asked: &[&Asked],
        journal: &mut Journal,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        if asked.is_empty() {
            return Ok(());
        }
        let mut questions = Vec::new();
        let mut owners = Vec::new();
        for (number, asked) in asked.iter().enumerate() {
            let Tokens::Choices { questions: of, .. } = &asked.tokens else {
                unreachable!("partitioned by what is asked")
            };
            for (at, question) in of.iter().enumerate() {
                let ids = question.ids[shared.len()..].to_vec();
                questions.push(Question { ids, answers: question.answers.clone() });
                owners.push((number, at));
            }
        }
        let mut scored: HashMap<usize, HashMap<usize, Vec<Vec<TokenScore>>>> = HashMap::new();
        self.engine.score(shared, &questions, &mut |question, scores| {
            let (number, at) = owners[question];
            let asked = asked[number];
            let Tokens::Choices { questions, choices } = &asked.tokens else { unreachable!("as above") };
            let parts = scored.entry(number).or_default();
            parts.insert(at, scores);
            if parts.len() < questions.len() {
                return Ok(());
            }
            let parts = scored.remove(&number).expect("just filled");
            journal.put(&asked.key, kept(choices.iter().map(|(question, answer)| &parts[question][*answer])))?;
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
        if asked.is_empty() {
            return Ok(());
        }
        let prompts: Vec<generate::Asked> = asked
            .iter()
            .map(|asked| {
                let Tokens::Reply { ids, limit } = &asked.tokens else { unreachable!("partitioned by what is asked") };
                generate::Asked { ids: ids[shared.len()..].to_vec(), limit: *limit }
            })
            .collect();
        let mut replies: HashMap<usize, Vec<u32>> = HashMap::new();
        let (tokenizer, stop) = (self.tokenizer, self.stop);
        self.engine.replies(shared, &prompts, &mut |number, event| {
            let Ask::Reply { until, .. } = &asked[number].prompt.ask else { unreachable!("as above") };
            let ids = replies.entry(number).or_default();
            match event {
                Event::Token(id) if stop.contains(&id) => return Ok(Flow::Stop),
                Event::Token(id) => {
                    ids.push(id);
                    watch.tokens(0)?;
                    // A stop string may end inside a token and begin many tokens before.
                    let text = tokenizer.decode(ids, true)?;
                    let stopped = until.iter().any(|stop| text.contains(stop));
                    return Ok(if stopped { Flow::Stop } else { Flow::Continue });
                }
                Event::End => {
                    let ids = replies.remove(&number).expect("entered above");
                    journal.put(&asked[number].key, Kept::Reply(cut(tokenizer.decode(&ids, true)?, until)))?;
                }
                Event::NotFinite => {
                    replies.remove(&number);
                    journal.put(&asked[number].key, Kept::Error(NOT_FINITE.to_owned()))?;
                }
            }
            watch.tokens(asked[number].tokens.count())?;
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

/// How many first tokens all prompts have in common, at least one token less than the shortest of them.
fn common(documents: &[Asked]) -> usize {
    let prompts = documents.iter().flat_map(|asked| -> Vec<&[u32]> {
        match &asked.tokens {
            Tokens::Choices { questions, .. } => questions.iter().map(|q| &q.ids[..]).collect(),
            Tokens::Reply { ids, .. } => vec![ids],
        }
    });
    let mut prompts = prompts.peekable();
    let Some(first) = prompts.peek().copied() else { return 0 };
    let mut length = first.len();
    let mut count = 0;
    for prompt in prompts {
        let equal = first.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        length = length.min(equal).min(prompt.len() - 1);
        count += 1;
    }
    if count > 1 && length >= LEAST_SHARED { length } else { 0 }
}
