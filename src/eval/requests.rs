//! Requests: documents as token ids, made before a model is loaded.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::journal::Journal;
use super::settings::EvalSettings;
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::generate::BatchQuestion;
use crate::tasks::prompt;
use crate::tasks::shots::Shots;
use crate::tasks::{OutputType, Profile, Prompt, Subset, Task, named};
use crate::text::{ChatTemplate, Message, Tokenizer};

/// The share of all documents that a run asks: number `index` of every `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

impl Shard {
    /// All documents.
    pub const ALL: Shard = Shard { index: 0, count: 1 };

    /// Returns whether the share has this document.
    pub fn has(self, document: usize) -> bool {
        document % self.count == self.index
    }
}

/// A task with its requests.
pub struct TaskRequests {
    /// As the user named it: `mmlu`, or `mmlu:stem` for a part of it.
    pub name: String,
    pub task: &'static Task,
    pub profile: &'static Profile,
    pub shots: usize,
    pub sets: Vec<SubsetRequests>,
}

/// A set of a task with its requests.
pub struct SubsetRequests {
    pub set: Subset,
    /// Those of the first documents, in order.
    pub requests: Vec<Request>,
}

/// Documents with a common beginning of fewer tokens are asked one by one.
const LEAST_SHARED: usize = 16;

impl SubsetRequests {
    /// Returns how many first tokens all prompts have in common, at least one token less than the shortest of them.
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

    /// Counts the tokens that run through the model when what prompts have in common runs once.
    pub fn tokens(&self) -> usize {
        let all: usize = self.requests.iter().map(|request| request.tokens.count()).sum();
        all - self.shared() * self.prompts().count().saturating_sub(1)
    }

    /// Counts the tokens that replies have at most.
    pub fn reply_tokens(&self) -> usize {
        let most = self.requests.iter().map(|request| match request.tokens {
            Tokens::Reply { max_new_tokens, .. } => max_new_tokens,
            Tokens::Choices { .. } => 0,
        });
        most.sum()
    }

    /// Returns the requests of `shard` that have no response in `journal`.
    pub fn missing(&self, shard: Shard, journal: &Journal) -> Vec<&Request> {
        let of_shard = self.requests.iter().enumerate().filter(|(id, _)| shard.has(*id));
        of_shard.map(|(_, request)| request).filter(|request| journal.get(&request.key).is_none()).collect()
    }

    fn prompts(&self) -> impl Iterator<Item = &[u32]> {
        self.requests.iter().flat_map(|request| -> Vec<&[u32]> {
            match &request.tokens {
                Tokens::Choices { questions, .. } => questions.iter().map(|q| &q.ids[..]).collect(),
                Tokens::Reply { ids, .. } => vec![ids],
            }
        })
    }
}

/// The requests of one document.
pub struct Request {
    pub prompt: Prompt,
    pub context: String,
    /// The choices with the delimiter.
    pub continuations: Vec<String>,
    pub tokens: Tokens,
    /// True where the beginning was cut off to fit.
    pub truncated: bool,
    /// The key of the answers in the journal: a digest of all that decides them but the model.
    pub key: String,
}

/// A document's requests in tokens.
pub enum Tokens {
    /// Contexts with their continuations, and for each choice which of both it is.
    Choices {
        questions: Vec<BatchQuestion>,
        choices: Vec<(usize, usize)>,
    },
    Reply {
        ids: Vec<u32>,
        max_new_tokens: usize,
    },
}

/// The way from a document to tokens.
struct DocumentEncoder {
    /// Encodes a context with or without the token that begins a text.
    encode: fn(&Tokenizer, &str) -> Result<Vec<u32>>,
    /// The most tokens of a sequence.
    most: usize,
    /// Set and number, for errors.
    place: String,
}

/// Reads the tasks of `settings` and makes their requests, for sequences of at most `settings.context` tokens or of the
/// fewer that a profile allows.
///
/// # Errors
/// Unknown tasks and profiles, bad data, prompts that do not split into tokens where they must.
pub fn prepare(settings: &EvalSettings, tokenizer: &Tokenizer, chat: &ChatTemplate) -> Result<Vec<TaskRequests>> {
    let maker = RequestBuilder { tokenizer, chat, settings };
    let names = named::normalized(&settings.tasks);
    let tasks = names.iter().map(|name| maker.task(name)).collect::<Result<Vec<_>>>()?;
    for (index, one) in tasks.iter().enumerate() {
        if let Some(before) = tasks[..index].iter().find(|other| std::ptr::eq(other.task, one.task)) {
            let found = format!("{} and {}", before.name, one.name);
            let fix = "name its parts together, as in mmlu:stem,humanities, or give each a run of its own";
            return Err(Error::request("`tasks`", "each task once", found, fix));
        }
    }
    if let Some(limits) = &settings.limit {
        limits.expect_among(&tasks.iter().map(|task| task.task.name).collect::<Vec<_>>())?;
    }
    Ok(tasks)
}

/// Makes requests of documents.
struct RequestBuilder<'a> {
    tokenizer: &'a Tokenizer,
    chat: &'a ChatTemplate,
    settings: &'a EvalSettings,
}

impl RequestBuilder<'_> {
    fn task(&self, name: &str) -> Result<TaskRequests> {
        let settings = self.settings;
        let (task, sets) = named::open(name, &settings.data)?;
        let profile = match &settings.profile {
            None => &task.profiles[0],
            Some(wanted) => task.profiles.iter().find(|profile| profile.name == wanted).ok_or_else(|| {
                let known: Vec<&str> = task.profiles.iter().map(|profile| profile.name).collect();
                let expected = format!("one of {} for {}", known.join(", "), task.name);
                Error::request("`profile`", expected, wanted, "choose one of these, or leave it out")
            })?,
        };
        let shots = settings.shots.unwrap_or(profile.shots);
        let limit = settings.limit.as_ref().and_then(|limits| limits.of(task.name)).or(profile.limit);
        let mut prepared = Vec::new();
        for set in sets {
            let limit = limit.unwrap_or(usize::MAX).min(set.documents.len());
            let mut draw = Shots::new(&set, profile.sampler, shots)?;
            let mut requests = Vec::with_capacity(limit);
            for (id, document) in set.documents.iter().take(limit).enumerate() {
                let shots: Vec<Prompt> =
                    draw.next(document)?.into_iter().map(|shot| (profile.prompt)(&set, shot)).collect();
                requests.push(self.request(task, profile, &set, id, document, &shots)?);
            }
            prepared.push(SubsetRequests { requests, set });
        }
        Ok(TaskRequests { name: name.to_owned(), task, profile, shots, sets: prepared })
    }

    fn request(
        &self,
        task: &Task,
        profile: &Profile,
        set: &Subset,
        id: usize,
        document: &Value,
        shots: &[Prompt],
    ) -> Result<Request> {
        let prompt = (profile.prompt)(set, document);
        let (context, continuations) = if profile.chat {
            let (messages, continuations) = prompt::messages(&prompt, shots, self.settings.fewshot_as_multiturn);
            let messages: Vec<_> = messages.iter().map(|(role, content)| Message::new(role, content)).collect();
            (self.chat.render(&messages, true)?, continuations)
        } else {
            prompt::compose(&prompt, shots)
        };
        let place = format!("{}, document {id}", set.name);
        // One slot is kept free, of what the profile allows as of the model's context.
        let context_tokens = self.settings.context;
        let most = profile.context.map_or(context_tokens, |most| most.min(context_tokens)).saturating_sub(1);
        // A chat template writes the first token itself.
        let encode = if profile.chat { Tokenizer::encode_without_bos } else { Tokenizer::encode };
        let document = DocumentEncoder { encode, most, place };
        let (tokens, truncated) = match &prompt.output {
            OutputType::Choices(_) => self.choices(document, &context, &continuations)?,
            OutputType::Reply { max_new_tokens, .. } => {
                let fewer = self.settings.max_new_tokens.unwrap_or(usize::MAX);
                self.reply(document, &context, fewer.min(*max_new_tokens))?
            }
        };
        let mut digest = Sha256::new();
        let what = (task.name, profile.name, profile.version, &set.name, id, &prompt.until());
        digest.update(serde_json::to_vec(&what).expect("names and numbers"));
        tokens.digest(&mut digest);
        let key = hex(&digest.finalize()[..16]);
        Ok(Request { prompt, context, continuations, tokens, truncated, key })
    }

    /// Encodes each choice: the whole text is cut where the context's own tokens end, as in
    /// lm-evaluation-harness; there, too, white space at the context's end belongs to the continuation.
    fn choices(&self, document: DocumentEncoder, context: &str, continuations: &[String]) -> Result<(Tokens, bool)> {
        let DocumentEncoder { encode, most, place } = document;
        let trimmed = context.trim_end();
        let space = &context[trimmed.len()..];
        let ctx = if trimmed.is_empty() { self.prefix(&place)? } else { encode(self.tokenizer, trimmed)? };
        let mut questions: Vec<BatchQuestion> = Vec::new();
        let mut choices = Vec::new();
        let mut truncated = false;
        for continuation in continuations {
            let continuation = format!("{space}{continuation}");
            let whole = match trimmed.is_empty() {
                true => [&ctx[..], &self.tokenizer.encode_without_bos(&continuation)?].concat(),
                false => encode(self.tokenizer, &format!("{trimmed}{continuation}"))?,
            };
            let answer = match whole.strip_prefix(&ctx[..]) {
                Some(answer) if !answer.is_empty() => answer.to_vec(),
                _ => {
                    let found = format!("`{}` and what is before it run together", continuation.escape_debug());
                    let fix = "a prompt must not end within a word; report this profile";
                    return Err(Error::request(place, "tokens of its own for each choice", found, fix));
                }
            };
            // The last token of an answer is not fed.
            let long = (ctx.len() + answer.len() - 1).saturating_sub(most);
            if long >= ctx.len() {
                return Err(too_long(place, ctx.len() + answer.len(), most));
            }
            truncated |= long > 0;
            let ids = &ctx[long..];
            let question = questions.iter().position(|q| q.ids == ids).unwrap_or(questions.len());
            if question == questions.len() {
                questions.push(BatchQuestion { ids: ids.to_vec(), answers: Vec::new() });
            }
            choices.push((question, questions[question].answers.len()));
            questions[question].answers.push(answer);
        }
        Ok((Tokens::Choices { questions, choices }, truncated))
    }

    fn reply(&self, document: DocumentEncoder, context: &str, max_new_tokens: usize) -> Result<(Tokens, bool)> {
        let DocumentEncoder { encode, most, place } = document;
        let ids = if context.is_empty() { self.prefix(&place)? } else { encode(self.tokenizer, context)? };
        if max_new_tokens >= most {
            return Err(too_long(place, max_new_tokens + 1, most));
        }
        let long = ids.len().saturating_sub(most - max_new_tokens);
        Ok((Tokens::Reply { ids: ids[long..].to_vec(), max_new_tokens }, long > 0))
    }

    fn prefix(&self, place: &str) -> Result<Vec<u32>> {
        let Some(id) = self.settings.prefix_token else {
            let fix = "say with `prefix_token` which token stands in front";
            return Err(Error::request(place, "a context", "an empty one", fix));
        };
        Ok(vec![id])
    }
}

fn too_long(place: String, found: usize, most: usize) -> Error {
    Error::request(place, format!("at most {most} tokens"), found, "give a larger `context`, or fewer `max_new_tokens`")
}

impl Prompt {
    /// Returns the texts that end a reply, which are part of the request.
    pub(super) fn until(&self) -> &[String] {
        match &self.output {
            OutputType::Choices(_) => &[],
            OutputType::Reply { until, .. } => until,
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
            Tokens::Reply { ids, max_new_tokens } => {
                list(b"prompt", ids);
                list(b"limit", &[*max_new_tokens as u32]);
            }
        }
    }

    /// Counts the tokens that run through the model if nothing is shared.
    pub fn count(&self) -> usize {
        match self {
            Tokens::Choices { questions, .. } => {
                questions.iter().map(|q| q.ids.len() + q.answers.iter().map(|a| a.len() - 1).sum::<usize>()).sum()
            }
            Tokens::Reply { ids, max_new_tokens } => ids.len() + max_new_tokens,
        }
    }

    /// Returns the beginning of its prompts.
    pub fn beginning(&self) -> &[u32] {
        match self {
            Tokens::Choices { questions, .. } => &questions[0].ids,
            Tokens::Reply { ids, .. } => ids,
        }
    }
}
