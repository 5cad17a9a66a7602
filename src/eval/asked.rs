//! From documents to token ids: everything a run will ask, before a model is touched.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::limits::Limits;
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::generate::Question;
use crate::tasks::prompt::{self, Turns};
use crate::tasks::shots::Shots;
use crate::tasks::{Ask, Profile, Prompt, Set, Task, named};
use crate::text::{ChatTemplate, Message, Tokenizer};

/// What of the tasks is asked, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// None: each task's first one.
    pub profile: Option<String>,
    /// None: the profile's own number.
    pub shots: Option<usize>,
    /// None: as the profiles say, else all.
    pub limit: Option<Limits>,
    /// The most tokens of a reply; none: as the tasks say.
    pub reply_tokens: Option<usize>,
    /// Few-shot examples of conversations as turns.
    pub multiturn: bool,
    /// Condition an empty context on this token.
    pub prefix_token: Option<u32>,
}

/// A task as it is asked.
pub struct AskedTask {
    /// As the user named it: `mmlu`, or `mmlu:stem` for a part of it.
    pub name: String,
    pub task: &'static Task,
    pub profile: &'static Profile,
    pub shots: usize,
    pub sets: Vec<AskedSet>,
}

/// A set of a task as it is asked.
pub struct AskedSet {
    pub set: Set,
    /// Of the first documents, in order.
    pub documents: Vec<Asked>,
}

/// Documents with a common beginning of fewer tokens are asked one by one.
const LEAST_SHARED: usize = 16;

impl AskedSet {
    /// How many first tokens all prompts have in common, at least one token less than the shortest of them.
    pub fn shared(&self) -> usize {
        let mut prompts = self.prompts();
        let Some(first) = prompts.next() else { return 0 };
        let (mut length, mut count) = (first.len() - 1, 1);
        for prompt in prompts {
            let equal = first.iter().zip(prompt).take_while(|(a, b)| a == b).count();
            length = length.min(equal).min(prompt.len() - 1);
            count += 1;
        }
        if count > 1 && length >= LEAST_SHARED { length } else { 0 }
    }

    /// Tokens that run through the model when what prompts have in common runs once.
    pub fn tokens(&self) -> usize {
        let all: usize = self.documents.iter().map(|asked| asked.tokens.count()).sum();
        all - self.shared() * self.prompts().count().saturating_sub(1)
    }

    /// Tokens that replies have at most.
    pub fn reply_tokens(&self) -> usize {
        let limit = |asked: &Asked| if let Tokens::Reply { limit, .. } = &asked.tokens { *limit } else { 0 };
        self.documents.iter().map(limit).sum()
    }

    fn prompts(&self) -> impl Iterator<Item = &[u32]> {
        self.documents.iter().flat_map(|asked| -> Vec<&[u32]> {
            match &asked.tokens {
                Tokens::Choices { questions, .. } => questions.iter().map(|q| &q.ids[..]).collect(),
                Tokens::Reply { ids, .. } => vec![ids],
            }
        })
    }
}

/// One document's requests.
pub struct Asked {
    pub prompt: Prompt,
    pub context: String,
    /// Of choices, with the delimiter.
    pub continuations: Vec<String>,
    pub tokens: Tokens,
    /// Whether the beginning was cut off to fit.
    pub truncated: bool,
    /// What the answers are kept under: a digest of all that decides them but the model.
    pub key: String,
}

/// A document's requests in tokens.
pub enum Tokens {
    /// Contexts with their continuations, and for each choice which of both it is.
    Choices {
        questions: Vec<Question>,
        choices: Vec<(usize, usize)>,
    },
    Reply {
        ids: Vec<u32>,
        limit: usize,
    },
}

/// Reads `names` below `data` and makes their requests for sequences of at most `context` tokens, or of the fewer that
/// a profile allows.
///
/// # Errors
/// Unknown tasks and profiles, bad data, prompts that do not split into tokens where they must.
pub fn asked(
    names: &[String],
    data: &Path,
    options: &Options,
    tokenizer: &Tokenizer,
    chat: &ChatTemplate,
    context: usize,
) -> Result<Vec<AskedTask>> {
    let maker = Maker { tokenizer, chat, context, options };
    let tasks = names.iter().map(|name| task(name, data, options, &maker)).collect::<Result<Vec<_>>>()?;
    for (index, one) in tasks.iter().enumerate() {
        if let Some(before) = tasks[..index].iter().find(|other| std::ptr::eq(other.task, one.task)) {
            let found = format!("{} and {}", before.name, one.name);
            let fix = "name its parts together, as in mmlu:stem,humanities, or give each a run of its own";
            return Err(Error::request("--tasks", "each task once", found, fix));
        }
    }
    if let Some(limits) = &options.limit {
        limits.expect_among(&tasks.iter().map(|asked| asked.task.name).collect::<Vec<_>>())?;
    }
    Ok(tasks)
}

fn task(name: &str, data: &Path, options: &Options, maker: &Maker) -> Result<AskedTask> {
    let (task, sets) = named::open(name, data)?;
    let profile = match &options.profile {
        None => &task.profiles[0],
        Some(wanted) => task.profiles.iter().find(|profile| profile.name == wanted).ok_or_else(|| {
            let known: Vec<&str> = task.profiles.iter().map(|profile| profile.name).collect();
            let expected = format!("one of {} for {}", known.join(", "), task.name);
            Error::request("--profile", expected, wanted, "choose one of these, or leave it out")
        })?,
    };
    let shots = options.shots.unwrap_or(profile.shots);
    let mut asked = Vec::new();
    for set in sets {
        let limit = options
            .limit
            .as_ref()
            .and_then(|limits| limits.of(task.name))
            .or(profile.limit)
            .unwrap_or(usize::MAX)
            .min(set.documents.len());
        let mut draw = Shots::new(&set, profile.draw, shots)?;
        let mut documents = Vec::with_capacity(limit);
        for (id, document) in set.documents.iter().take(limit).enumerate() {
            let shots: Vec<Prompt> =
                draw.next(document)?.into_iter().map(|shot| (profile.prompt)(&set, shot)).collect();
            documents.push(maker.document(task, profile, &set, id, document, &shots)?);
        }
        asked.push(AskedSet { documents, set });
    }
    Ok(AskedTask { name: name.to_owned(), task, profile, shots, sets: asked })
}

struct Maker<'a> {
    tokenizer: &'a Tokenizer,
    chat: &'a ChatTemplate,
    context: usize,
    options: &'a Options,
}

impl Maker<'_> {
    fn document(
        &self,
        task: &Task,
        profile: &Profile,
        set: &Set,
        id: usize,
        document: &Value,
        shots: &[Prompt],
    ) -> Result<Asked> {
        let prompt = (profile.prompt)(set, document);
        let (context, continuations) = if profile.chat {
            let turns = if self.options.multiturn { Turns::Each } else { Turns::One };
            let (messages, continuations) = prompt::messages(&prompt, shots, turns);
            let messages: Vec<Message> =
                messages.into_iter().map(|m| Message { role: m.role.to_owned(), content: m.content }).collect();
            (self.chat.render(&messages, true)?, continuations)
        } else {
            prompt::compose(&prompt, shots)
        };
        let place = || format!("{}, document {id}", set.name);
        // One slot is kept free, of what the profile allows as of the model's context.
        let most = profile.context.map_or(self.context, |most| most.min(self.context)) - 1;
        let (tokens, truncated) = match &prompt.ask {
            Ask::Choices(_) => self.choices(&context, &continuations, most, place)?,
            Ask::Reply { tokens, .. } => {
                let limit = self.options.reply_tokens.map_or(*tokens, |limit| limit.min(*tokens));
                self.reply(&context, limit, most, place)?
            }
        };
        let mut digest = Sha256::new();
        let what = (task.name, profile.name, profile.version, &set.name, id, &prompt.until());
        digest.update(serde_json::to_vec(&what).expect("names and numbers"));
        tokens.digest(&mut digest);
        let key = hex(&digest.finalize()[..16]);
        Ok(Asked { prompt, context, continuations, tokens, truncated, key })
    }

    /// Tokens of each choice: the whole text is cut where the context's own tokens end, as in
    /// lm-evaluation-harness; there, too, white space at the context's end belongs to the continuation.
    fn choices(
        &self,
        context: &str,
        continuations: &[String],
        most: usize,
        place: impl Fn() -> String,
    ) -> Result<(Tokens, bool)> {
        let trimmed = context.trim_end();
        let space = &context[trimmed.len()..];
        let ctx = if trimmed.is_empty() { self.prefix(&place)? } else { self.tokenizer.encode(trimmed)? };
        let mut questions: Vec<Question> = Vec::new();
        let mut choices = Vec::new();
        let mut truncated = false;
        for continuation in continuations {
            let continuation = format!("{space}{continuation}");
            let whole = match trimmed.is_empty() {
                true => [&ctx[..], &self.tokenizer.encode(&continuation)?].concat(),
                false => self.tokenizer.encode(&format!("{trimmed}{continuation}"))?,
            };
            let answer = match whole.strip_prefix(&ctx[..]) {
                Some(answer) if !answer.is_empty() => answer.to_vec(),
                _ => {
                    let found = format!("`{}` and what is before it run together", continuation.escape_debug());
                    let fix = "a prompt must not end within a word; report this profile";
                    return Err(Error::request(place(), "tokens of its own for each choice", found, fix));
                }
            };
            // The last token of an answer is not fed.
            let long = (ctx.len() + answer.len() - 1).saturating_sub(most);
            if long >= ctx.len() {
                return Err(too_long(place(), ctx.len() + answer.len(), most));
            }
            truncated |= long > 0;
            let ids = &ctx[long..];
            let question = match questions.iter().position(|q| q.ids == ids) {
                Some(at) => at,
                None => {
                    questions.push(Question { ids: ids.to_vec(), answers: Vec::new() });
                    questions.len() - 1
                }
            };
            choices.push((question, questions[question].answers.len()));
            questions[question].answers.push(answer);
        }
        Ok((Tokens::Choices { questions, choices }, truncated))
    }

    fn reply(&self, context: &str, limit: usize, most: usize, place: impl Fn() -> String) -> Result<(Tokens, bool)> {
        let ids = if context.is_empty() { self.prefix(&place)? } else { self.tokenizer.encode(context)? };
        if limit >= most {
            return Err(too_long(place(), limit + 1, most));
        }
        let long = ids.len().saturating_sub(most - limit);
        Ok((Tokens::Reply { ids: ids[long..].to_vec(), limit }, long > 0))
    }

    fn prefix(&self, place: &impl Fn() -> String) -> Result<Vec<u32>> {
        let Some(id) = self.options.prefix_token else {
            let fix = "say with --prefix-token which token stands in front";
            return Err(Error::request(place(), "a context", "an empty one", fix));
        };
        Ok(vec![id])
    }
}

fn too_long(place: String, found: usize, most: usize) -> Error {
    Error::request(place, format!("at most {most} tokens"), found, "give a larger --context, or --reply-tokens")
}

impl Prompt {
    /// What ends a reply, which is part of the request.
    pub(super) fn until(&self) -> &[String] {
        match &self.ask {
            Ask::Choices(_) => &[],
            Ask::Reply { until, .. } => until,
        }
    }
}

impl Tokens {
    fn digest(&self, digest: &mut Sha256) {
        let mut list = |name: &[u8], ids: &[u32]| {
            digest.update(name);
            digest.update((ids.len() as u64).to_le_bytes());
            ids.iter().for_each(|id| digest.update(id.to_le_bytes()));
        };
        match self {
            Tokens::Choices { questions, choices } => {
                for &(question, answer) in choices {
                    list(b"context", &questions[question].ids);
                    list(b"answer", &questions[question].answers[answer]);
                }
            }
            Tokens::Reply { ids, limit } => {
                list(b"prompt", ids);
                list(b"limit", &[*limit as u32]);
            }
        }
    }

    /// Tokens that run through the model if nothing is shared.
    pub fn count(&self) -> usize {
        match self {
            Tokens::Choices { questions, .. } => {
                questions.iter().map(|q| q.ids.len() + q.answers.iter().map(|a| a.len() - 1).sum::<usize>()).sum()
            }
            Tokens::Reply { ids, limit } => ids.len() + limit,
        }
    }

    /// The beginning of its prompts.
    pub fn beginning(&self) -> &[u32] {
        match self {
            Tokens::Choices { questions, .. } => &questions[0].ids,
            Tokens::Reply { ids, .. } => ids,
        }
    }
}
