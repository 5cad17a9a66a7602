//! Many sequences in one pass: likelihoods of answers to questions.
//!
//! Questions that begin alike share the keys and values of their beginning, and a question's answers share those
//! of the question. All rows of all questions form one stream that is cut into passes of a fixed few sizes, so
//! that passes are full and each product runs the same shader: a score does not depend on what else is scored.
//! If rows of a pass depend on each other ([`Decoder::rows_depend`](crate::model::Decoder::rows_depend)), each question
//! has passes of its own.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::engine::Engine;
use crate::error::{Error, Result};
use crate::kernels::Reach;
use crate::model::{Config, Rows};
use crate::plan::{Backend, Element, Plan, ProgramId, Tensor};

/// Rows whose logits are computed together.
const WINDOW: usize = 32;
/// Tokens looked up in those, the smaller number where it is enough.
const PAIRS: [usize; 2] = [128, 512];
/// The least rows of a pass.
const LEAST: usize = 32;

/// Tokens behind a shared beginning, and the answers that may follow them.
#[derive(Clone, Debug, Default)]
pub struct BatchQuestion {
    /// Tokens of the question, at least one.
    pub ids: Vec<u32>,
    /// Tokens of each answer, at least one each.
    pub answers: Vec<Vec<u32>>,
}

/// Likelihood of one token of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenScore {
    /// Negative log-likelihood in nats; not finite if the logits were not.
    pub nll: f32,
    /// Difference of the largest logit and the token's; 0 for the greedy token.
    pub gap: f32,
}

/// Tensors and programs of passes over several sequences.
pub(super) struct Batch {
    /// Rows of the largest pass.
    pub width: usize,
    /// [1, width]
    token: Tensor,
    rows: Rows,
    /// [1, width]: the row of `kept` that a row's output goes to.
    place: Tensor,
    /// [windows · WINDOW + 1, hidden]: rows that logits are wanted of; the last takes all others.
    pub kept: Tensor,
    /// [1, PAIRS]: rows of a window and the tokens looked up in them.
    row: Tensor,
    target: Tensor,
    programs: HashMap<BatchProgram, (ProgramId, Tensor)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum BatchProgram {
    /// Runs a number of rows through the decoder, into the cache and into `kept`.
    Pass(usize),
    /// Computes the likelihoods of a number of pairs of a window.
    Nll { window: usize, pairs: usize },
    /// The greedy tokens after the rows of the first window.
    Greedy,
}

/// A row of a pass.
pub(super) struct Row {
    pub token: u32,
    pub position: u32,
    pub slot: u32,
    pub reach: Reach,
    /// The tokens whose likelihood after it is wanted.
    pub targets: Vec<Target>,
}

pub(super) struct Target {
    pub id: u32,
    pub question: usize,
    pub answer: usize,
    pub index: usize,
}

impl Row {
    fn new(token: u32, position: u32, slot: u32, reach: Reach) -> Row {
        Row { token, position, slot, reach, targets: Vec::new() }
    }
}

impl Batch {
    pub fn new(backend: &mut dyn Backend, config: &Config, chunk: usize) -> Result<Batch> {
        let width = chunk.max(LEAST);
        let mut words = |name: &str, cols: usize| backend.create(&format!("batch.{name}"), 1, cols, Element::U32);
        let (token, position, slot) = (words("token", width)?, words("position", width)?, words("slot", width)?);
        let (place, row, target) = (words("place", width)?, words("row", PAIRS[1])?, words("target", PAIRS[1])?);
        let reach = backend.create("batch.reach", width, 4, Element::U32)?;
        let kept = backend.create("batch.kept", windows(width) * WINDOW + 1, config.hidden_size, Element::F32)?;
        let rows = Rows { position, slot, reach };
        Ok(Batch { width, token, rows, place, kept, row, target, programs: HashMap::new() })
    }
}

/// Returns the windows that a pass can fill while one is half full.
fn windows(width: usize) -> usize {
    width.div_ceil(WINDOW) + 1
}

/// Scores of which some are missing.
struct PendingScores<'a> {
    rows: VecDeque<Row>,
    /// Row of `kept` for the next output, and the wanted values of the outputs in its window.
    next: usize,
    wanted: Vec<(usize, Target)>,
    /// The scores of each question so far, and the number of missing ones.
    scores: Vec<(Vec<Vec<TokenScore>>, usize)>,
    each: &'a mut dyn FnMut(usize, Vec<Vec<TokenScore>>) -> Result<()>,
}

impl Engine {
    /// Scores each token of each answer to each question, where a question follows `shared`. Calls `each` with a
    /// question's number and its answers' scores as soon as they are known. The cache is empty afterwards.
    ///
    /// # Errors
    /// A question that does not fit the context with one of its answers; what `each` returns.
    pub fn score(
        &mut self,
        shared: &[u32],
        questions: &[BatchQuestion],
        each: &mut dyn FnMut(usize, Vec<Vec<TokenScore>>) -> Result<()>,
    ) -> Result<()> {
        self.len = 0;
        if questions.is_empty() {
            return Ok(());
        }
        let spare = self.spare_slot();
        let base = shared.len();
        let scores = questions.iter().map(|q| {
            let empty = |answer: &Vec<u32>| vec![TokenScore { nll: f32::NAN, gap: f32::NAN }; answer.len()];
            (q.answers.iter().map(empty).collect(), q.answers.iter().map(Vec::len).sum())
        });
        let mut pending = PendingScores {
            rows: beginning(shared).collect(),
            next: 0,
            wanted: Vec::new(),
            scores: scores.collect(),
            each,
        };
        let mut free = base;
        if self.model.rows_depend() {
            self.drain(&mut pending, 1)?;
        }
        for (number, question) in questions.iter().enumerate() {
            assert!(!question.ids.is_empty() && question.answers.iter().all(|a| !a.is_empty()), "an empty question");
            let mut first = 0;
            while first < question.answers.len() {
                // As many answers as fit; those left over follow the question once more.
                let (end, needed) = fitting(question, first, spare.saturating_sub(base));
                if end == first {
                    return Err(too_long(base + question.ids.len() + question.answers[first].len() - 1, spare));
                }
                if free + needed > spare {
                    self.drain(&mut pending, 1)?;
                    free = base;
                }
                pending.rows.extend(rows_of(number, question, first..end, base, free));
                free += needed;
                let least = if self.model.rows_depend() { 1 } else { self.batch.width };
                self.drain(&mut pending, least)?;
                first = end;
            }
        }
        self.drain(&mut pending, 1)?;
        let last = pending.next % (windows(self.batch.width) * WINDOW) / WINDOW;
        self.window(&mut pending, last)
    }

    /// Returns the slot of rows that only fill a pass.
    pub(super) fn spare_slot(&self) -> usize {
        self.cache.capacity - 1
    }

    /// Runs passes while there are `least` rows for one.
    fn drain(&mut self, pending: &mut PendingScores, least: usize) -> Result<()> {
        while pending.rows.len() >= least.max(1) {
            let count = pending.rows.len().min(self.batch.width);
            let mut rows: Vec<Row> = pending.rows.drain(..count).collect();
            let total = windows(self.batch.width) * WINDOW;
            // Rows of windows that this pass fills.
            let mut places = Vec::with_capacity(count);
            let first = pending.next;
            for row in &rows {
                places.push(if row.targets.is_empty() { total } else { pending.next % total });
                pending.next += usize::from(!row.targets.is_empty());
            }
            self.pass(&rows, &places)?;
            let mut at = first;
            for row in &mut rows {
                let targets = std::mem::take(&mut row.targets);
                if targets.is_empty() {
                    continue;
                }
                pending.wanted.extend(targets.into_iter().map(|target| (at % WINDOW, target)));
                at += 1;
                if at.is_multiple_of(WINDOW) {
                    let window = (at - 1) % total / WINDOW;
                    self.window(pending, window)?;
                }
            }
        }
        Ok(())
    }

    fn window(&mut self, pending: &mut PendingScores, window: usize) -> Result<()> {
        let wanted = std::mem::take(&mut pending.wanted);
        for pairs in wanted.chunks(PAIRS[1]) {
            let size = PAIRS.into_iter().find(|size| *size >= pairs.len()).expect("chunks are no larger");
            let (program, output) = self.batch_program(BatchProgram::Nll { window, pairs: size })?;
            let mut rows: Vec<u32> = pairs.iter().map(|(row, _)| *row as u32).collect();
            let mut targets: Vec<u32> = pairs.iter().map(|(_, target)| target.id).collect();
            // Pairs that only fill the program look up a token of the first row: replies leave token ids in `row`.
            rows.resize(size, 0);
            targets.resize(size, 0);
            self.backend.write(None, self.batch.row, 0, &rows)?;
            self.backend.write(None, self.batch.target, 0, &targets)?;
            self.backend.run(program)?;
            let fetch = self.backend.fetch(Some(program), output, 0, 2 * pairs.len())?;
            let values: Vec<f32> = bytemuck::cast_vec(self.backend.finish(fetch)?);
            for ((_, target), value) in pairs.iter().zip(values.chunks_exact(2)) {
                let (answers, missing) = &mut pending.scores[target.question];
                answers[target.answer][target.index] = TokenScore { nll: value[0], gap: value[1] };
                *missing -= 1;
                if *missing == 0 {
                    (pending.each)(target.question, std::mem::take(answers))?;
                }
            }
        }
        Ok(())
    }

    /// Runs rows through the decoder; the output of row i is kept at `places[i]`.
    pub(super) fn pass(&mut self, rows: &[Row], places: &[usize]) -> Result<()> {
        let sizes = std::iter::successors(Some(LEAST), |size| Some(size * 2));
        let m = sizes.take_while(|size| *size < self.batch.width).find(|size| *size >= rows.len());
        let m = m.unwrap_or(self.batch.width);
        let spare = self.spare_slot() as u32;
        let alone = Reach { first: 0, second_shift: 0, second: 0, rest_shift: spare };
        let fillers: Vec<Row> = (rows.len()..m).map(|_| Row::new(0, 0, spare, alone)).collect();
        let all = || rows.iter().chain(&fillers);
        let words = |word: fn(&Row) -> u32| -> Vec<u32> { all().map(word).collect() };
        let reach: Vec<Reach> = all().map(|row| row.reach).collect();
        let last = self.batch.kept.rows - 1;
        let places: Vec<u32> =
            places.iter().copied().chain(std::iter::repeat(last)).take(m).map(|p| p as u32).collect();
        let (program, _) = self.batch_program(BatchProgram::Pass(m))?;
        let Batch { token, rows: at, place, .. } = self.batch;
        self.backend.write(None, token, 0, &words(|row| row.token))?;
        self.backend.write(None, at.position, 0, &words(|row| row.position))?;
        self.backend.write(None, at.slot, 0, &words(|row| row.slot))?;
        self.backend.write(None, at.reach, 0, bytemuck::cast_slice(&reach))?;
        self.backend.write(None, place, 0, &places)?;
        self.backend.run(program)
    }

    /// Returns a program of the batch, and its output.
    pub(super) fn batch_program(&mut self, kind: BatchProgram) -> Result<(ProgramId, Tensor)> {
        if let Some(known) = self.batch.programs.get(&kind) {
            return Ok(*known);
        }
        let batch = &self.batch;
        let mut plan = match kind {
            BatchProgram::Pass(m) => self.empty_plan(m),
            _ => Plan::new(),
        };
        let output = match kind {
            BatchProgram::Pass(m) => {
                let x = self.model.forward(&mut plan, batch.token.first_cols(m), batch.rows.first(m), &self.cache);
                plan.kv_write("keep", batch.place.first_cols(m), x.x, batch.kept);
                batch.kept
            }
            BatchProgram::Nll { window, pairs } => {
                let logits = self.model.logits(&mut plan, batch.kept.into(), window * WINDOW, WINDOW);
                let (row, target) = (batch.row.first_cols(pairs), batch.target.first_cols(pairs));
                plan.token_nll("token_nll", logits, self.vocab, row, target)
            }
            BatchProgram::Greedy => {
                let logits = self.model.logits(&mut plan, batch.kept.into(), 0, WINDOW);
                let tokens = batch.row.first_cols(WINDOW);
                plan.argmax("argmax", logits, self.vocab, tokens);
                tokens
            }
        };
        let program = self.backend.prepare(&plan, false)?;
        self.batch.programs.insert(kind, (program, output));
        Ok((program, output))
    }
}

/// Returns the rows of a beginning that all sequences share.
pub(super) fn beginning(shared: &[u32]) -> impl Iterator<Item = Row> {
    shared.iter().zip(0..).map(|(&token, position)| Row::new(token, position, position, Reach::ALONE))
}

/// Returns the rows of a sequence behind `base` shared tokens, in slots from `free` on.
pub(super) fn behind(base: usize, free: usize, ids: &[u32]) -> impl Iterator<Item = Row> {
    let shift = (free - base) as u32;
    let reach = Reach { first: base as u32, second_shift: shift, second: u32::MAX, rest_shift: shift };
    ids.iter().zip(base as u32..).map(move |(&token, position)| Row::new(token, position, position + shift, reach))
}

/// Returns the end of the answers from `first` on that fit `room` slots with their question, and the slots they take.
fn fitting(question: &BatchQuestion, first: usize, room: usize) -> (usize, usize) {
    let mut needed = question.ids.len();
    let mut end = first;
    for answer in &question.answers[first..] {
        if needed + answer.len() - 1 > room {
            break;
        }
        needed += answer.len() - 1;
        end += 1;
    }
    (end, needed)
}

/// Returns the rows of a question, then of some answers but for the last token of each, in slots from `free` on.
fn rows_of(number: usize, question: &BatchQuestion, answers: Range<usize>, base: usize, free: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = behind(base, free, &question.ids).collect();
    let target = |answer: usize, index: usize, id: u32| Target { id, question: number, answer, index };
    let some = || question.answers.iter().enumerate().skip(answers.start).take(answers.len());
    let firsts = some().map(|(answer, ids)| target(answer, 0, ids[0]));
    rows.last_mut().expect("a question has tokens").targets = firsts.collect();
    let end = base + question.ids.len();
    let mut slot = free + question.ids.len();
    for (answer, ids) in some() {
        let reach = Reach {
            first: base as u32,
            second_shift: (free - base) as u32,
            second: end as u32,
            rest_shift: (slot - end) as u32,
        };
        for (index, pair) in ids.windows(2).enumerate() {
            let targets = vec![target(answer, index + 1, pair[1])];
            rows.push(Row { targets, ..Row::new(pair[0], (end + index) as u32, slot as u32, reach) });
            slot += 1;
        }
    }
    rows
}

/// Returns the error of a question that does not fit.
pub(super) fn too_long(found: usize, most: usize) -> Error {
    Error::request("sequence", format!("at most {most} tokens"), found, "shorten the prompt or give a larger `context`")
}
