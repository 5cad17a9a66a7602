//! Many sequences in one pass: likelihoods of answers to questions.
//!
//! Questions that begin alike share the keys and values of their beginning, and a question's answers share those
//! of the question. All rows of all questions form one stream that is cut into passes of a fixed few sizes, so
//! that passes are full and each product runs the same shader: a score does not depend on what else is scored.
//! Where rows of a pass depend on each other ([`Decoder::rows_depend`](crate::model::Decoder::rows_depend)), each question
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
pub struct Question {
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
    /// Difference of the largest logit and the token's: 0 for the greedy token.
    pub below: f32,
}

/// Tensors and programs of passes over several sequences.
pub(super) struct Batch {
    /// Rows of the largest pass.
    width: usize,
    /// [1, width]
    token: Tensor,
    rows: Rows,
    /// [1, width]: where in `kept` a row's output goes.
    place: Tensor,
    /// [windows · WINDOW + 1, hidden]: rows that logits are wanted of; the last takes all others.
    kept: Tensor,
    /// [1, PAIRS]: rows of a window and the tokens looked up in them.
    row: Tensor,
    target: Tensor,
    programs: HashMap<Kind, (ProgramId, Tensor)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Runs a number of rows through the decoder, into the cache and into `kept`.
    Pass(usize),
    /// Surprises of so many pairs of a window.
    Surprise { window: usize, pairs: usize },
    /// The greedy tokens after the rows of the first window.
    Greedy,
}

/// A row of a pass.
pub(super) struct Row {
    pub token: u32,
    pub position: u32,
    pub slot: u32,
    pub reach: Reach,
    /// The tokens whose surprise is wanted after it.
    pub targets: Vec<Target>,
}

pub(super) struct Target {
    pub id: u32,
    pub question: usize,
    pub answer: usize,
    pub index: usize,
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

/// Windows enough for a pass to fill while one is half full.
fn windows(width: usize) -> usize {
    width.div_ceil(WINDOW) + 1
}

/// Scores under way.
struct Wave<'a> {
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
        questions: &[Question],
        each: &mut dyn FnMut(usize, Vec<Vec<TokenScore>>) -> Result<()>,
    ) -> Result<()> {
        self.len = 0;
        if questions.is_empty() {
            return Ok(());
        }
        let spare = self.spare_slot();
        let base = shared.len();
        let scores = questions.iter().map(|q| {
            let empty = |answer: &Vec<u32>| vec![TokenScore { nll: f32::NAN, below: f32::NAN }; answer.len()];
            (q.answers.iter().map(empty).collect(), q.answers.iter().map(Vec::len).sum())
        });
        let mut wave =
            Wave { rows: beginning(shared).collect(), next: 0, wanted: Vec::new(), scores: scores.collect(), each };
        let mut free = base;
        if self.model.rows_depend() {
            self.drain(&mut wave, 1)?;
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
                    self.drain(&mut wave, 1)?;
                    free = base;
                }
                wave.rows.extend(rows_of(number, question, first..end, base, free));
                free += needed;
                let least = if self.model.rows_depend() { 1 } else { self.batch.width };
                self.drain(&mut wave, least)?;
                first = end;
            }
        }
        self.drain(&mut wave, 1)?;
        self.surprises(&mut wave)
    }

    /// The slot of rows that only fill a pass.
    pub(super) fn spare_slot(&self) -> usize {
        self.cache.capacity - 1
    }

    /// Rows of the largest pass.
    pub(super) fn widest_pass(&self) -> usize {
        self.batch.width
    }

    /// Rows that are kept, with the one that takes all others.
    pub(super) fn kept_rows(&self) -> usize {
        self.batch.kept.rows
    }

    /// Runs passes while there are `least` rows for one.
    fn drain(&mut self, wave: &mut Wave, least: usize) -> Result<()> {
        while wave.rows.len() >= least.max(1) {
            let count = wave.rows.len().min(self.batch.width);
            let mut rows: Vec<Row> = wave.rows.drain(..count).collect();
            let total = windows(self.batch.width) * WINDOW;
            // Rows of windows that this pass fills.
            let mut places = Vec::with_capacity(count);
            let first = wave.next;
            for row in &rows {
                places.push(if row.targets.is_empty() { total } else { wave.next % total });
                wave.next += usize::from(!row.targets.is_empty());
            }
            self.pass(&rows, &places)?;
            let mut at = first;
            for row in &mut rows {
                let targets = std::mem::take(&mut row.targets);
                if targets.is_empty() {
                    continue;
                }
                wave.wanted.extend(targets.into_iter().map(|target| (at % WINDOW, target)));
                at += 1;
                if at.is_multiple_of(WINDOW) {
                    let window = (at - 1) % total / WINDOW;
                    self.window(wave, window)?;
                }
            }
        }
        Ok(())
    }

    /// The surprises of what is kept and wanted still.
    fn surprises(&mut self, wave: &mut Wave) -> Result<()> {
        let total = windows(self.batch.width) * WINDOW;
        self.window(wave, wave.next % total / WINDOW)
    }

    fn window(&mut self, wave: &mut Wave, window: usize) -> Result<()> {
        let wanted = std::mem::take(&mut wave.wanted);
        for pairs in wanted.chunks(PAIRS[1]) {
            let size = PAIRS.into_iter().find(|size| *size >= pairs.len()).expect("chunks are no larger");
            let (program, output) = self.batch_program(Kind::Surprise { window, pairs: size })?;
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
                let (answers, missing) = &mut wave.scores[target.question];
                answers[target.answer][target.index] = TokenScore { nll: value[0], below: value[1] };
                *missing -= 1;
                if *missing == 0 {
                    (wave.each)(target.question, std::mem::take(answers))?;
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
        let filler = || Row { token: 0, position: 0, slot: spare, reach: alone, targets: Vec::new() };
        let fillers: Vec<Row> = (rows.len()..m).map(|_| filler()).collect();
        let all = || rows.iter().chain(&fillers);
        let words = |word: fn(&Row) -> u32| -> Vec<u32> { all().map(word).collect() };
        let reach: Vec<Reach> = all().map(|row| row.reach).collect();
        let last = self.batch.kept.rows - 1;
        let places: Vec<u32> =
            places.iter().copied().chain(std::iter::repeat(last)).take(m).map(|p| p as u32).collect();
        let (program, _) = self.batch_program(Kind::Pass(m))?;
        let Batch { token, rows: at, place, .. } = self.batch;
        self.backend.write(None, token, 0, &words(|row| row.token))?;
        self.backend.write(None, at.position, 0, &words(|row| row.position))?;
        self.backend.write(None, at.slot, 0, &words(|row| row.slot))?;
        self.backend.write(None, at.reach, 0, bytemuck::cast_slice(&reach))?;
        self.backend.write(None, place, 0, &places)?;
        self.backend.run(program)
    }

    /// A program of the batch, and its output.
    pub(super) fn batch_program(&mut self, kind: Kind) -> Result<(ProgramId, Tensor)> {
        if let Some(known) = self.batch.programs.get(&kind) {
            return Ok(*known);
        }
        let batch = &self.batch;
        let mut plan = Plan::new();
        let output = match kind {
            Kind::Pass(m) => {
                let x = self.model.forward(&mut plan, batch.token.first_cols(m), batch.rows.first(m), &self.cache);
                plan.kv_write("keep", batch.place.first_cols(m), x, batch.kept);
                batch.kept
            }
            Kind::Surprise { window, pairs } => {
                let logits = self.model.logits(&mut plan, batch.kept, window * WINDOW, WINDOW);
                let (row, target) = (batch.row.first_cols(pairs), batch.target.first_cols(pairs));
                plan.token_nll("token_nll", logits, self.vocab, row, target)
            }
            Kind::Greedy => {
                let logits = self.model.logits(&mut plan, batch.kept, 0, WINDOW);
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

/// The rows of a beginning that all sequences share.
pub(super) fn beginning(shared: &[u32]) -> impl Iterator<Item = Row> {
    shared.iter().zip(0..).map(|(&token, position)| Row {
        token,
        position,
        slot: position,
        reach: Reach::ALONE,
        targets: Vec::new(),
    })
}

/// Rows of a sequence behind `base` shared tokens, in slots from `free` on.
pub(super) fn behind(base: usize, free: usize, ids: &[u32]) -> impl Iterator<Item = Row> {
    let shift = (free - base) as u32;
    let reach = Reach { first: base as u32, second_shift: shift, second: u32::MAX, rest_shift: shift };
    ids.iter().zip(base as u32..).map(move |(&token, position)| Row {
        token,
        position,
        slot: position + shift,
        reach,
        targets: Vec::new(),
    })
}

/// Up to which answer from `first` on a question fits `room` slots, and how many slots that takes.
fn fitting(question: &Question, first: usize, room: usize) -> (usize, usize) {
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

/// The rows of a question, then of some answers but for the last token of each, in slots from `free` on.
fn rows_of(number: usize, question: &Question, answers: Range<usize>, base: usize, free: usize) -> Vec<Row> {
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
            rows.push(Row {
                token: pair[0],
                position: (end + index) as u32,
                slot: slot as u32,
                reach,
                targets: vec![target(answer, index + 1, pair[1])],
            });
            slot += 1;
        }
    }
    rows
}

/// Returns the error of a question that does not fit.
pub(super) fn too_long(found: usize, most: usize) -> Error {
    Error::request("sequence", format!("at most {most} tokens"), found, "shorten the prompt or give a larger `context`")
}
