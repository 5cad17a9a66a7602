//! Greedy replies to many prompts at once, in lanes: a lane that is done takes the next prompt.

use super::batch::{BatchProgram, Row, beginning, behind, too_long};
use super::decode::Flow;
use super::engine::Engine;
use crate::error::Result;
use crate::kernels::NOT_FINITE;

/// Replies that are generated together.
pub const LANES: usize = 8;

/// A prompt behind a shared beginning.
#[derive(Clone, Debug)]
pub struct BatchPrompt {
    /// Tokens of the prompt, at least one.
    pub ids: Vec<u32>,
    /// Longest reply in tokens.
    pub limit: usize,
}

/// Event of a prompt's reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next token.
    Token(u32),
    /// The limit is reached, or the token before was the last wanted.
    End,
    /// The logits are not numbers; there is no more.
    NotFinite,
}

/// A reply that is being generated.
struct Lane {
    number: usize,
    /// Its last token, which is not in the cache yet, and that token's position.
    token: u32,
    position: usize,
    left: usize,
}

impl Engine {
    /// Generates greedy replies to `prompts`, each behind `shared`. `each` receives every token of prompt number i and
    /// says whether to go on, then its end. The cache is empty afterwards.
    ///
    /// # Errors
    /// A prompt that does not fit the context with its limit; what `each` returns.
    pub fn replies(
        &mut self,
        shared: &[u32],
        prompts: &[BatchPrompt],
        each: &mut dyn FnMut(usize, Event) -> Result<Flow>,
    ) -> Result<()> {
        self.len = 0;
        let base = shared.len();
        let Some(region) = prompts.iter().map(|p| p.ids.len() + p.limit).max() else { return Ok(()) };
        let count = self.spare_slot().saturating_sub(base) / region;
        if count == 0 {
            return Err(too_long(base + region, self.spare_slot()));
        }
        self.run_rows(beginning(shared).map(|row| (row, None)).collect())?;
        let most = if self.model.rows_depend() { 1 } else { LANES };
        let mut lanes: Vec<Option<Lane>> = (0..count.min(most)).map(|_| None).collect();
        let mut waiting = prompts.iter().enumerate();
        loop {
            // A lane with a reply advances by one token, a free one takes a whole prompt.
            let mut rows = Vec::new();
            for (at, lane) in lanes.iter_mut().enumerate() {
                let free = base + at * region;
                if let Some(lane) = lane {
                    let row = behind(base, free, &[lane.token]).next().expect("one token");
                    let step = (lane.position - base) as u32;
                    rows.push((Row { position: row.position + step, slot: row.slot + step, ..row }, Some(at)));
                } else if let Some((number, prompt)) = waiting.next() {
                    rows.extend(behind(base, free, &prompt.ids).map(|row| (row, None)));
                    rows.last_mut().expect("a prompt has tokens").1 = Some(at);
                    let position = base + prompt.ids.len() - 1;
                    *lane = Some(Lane { number, token: 0, position, left: prompt.limit });
                }
            }
            if rows.is_empty() {
                return Ok(());
            }
            self.run_rows(rows)?;
            let (program, tokens) = self.batch_program(BatchProgram::Greedy)?;
            self.backend.run(program)?;
            let fetch = self.backend.fetch(Some(program), tokens, 0, lanes.len())?;
            let tokens = self.backend.finish(fetch)?;
            for (slot, token) in lanes.iter_mut().zip(tokens) {
                let Some(lane) = slot else { continue };
                if token == NOT_FINITE {
                    each(lane.number, Event::NotFinite)?;
                    *slot = None;
                    continue;
                }
                (lane.token, lane.position, lane.left) = (token, lane.position + 1, lane.left - 1);
                let flow = each(lane.number, Event::Token(token))?;
                if flow == Flow::Stop || lane.left == 0 {
                    each(lane.number, Event::End)?;
                    *slot = None;
                }
            }
        }
    }

    /// Runs rows in passes; the output of one with a lane is kept for that lane.
    fn run_rows(&mut self, rows: Vec<(Row, Option<usize>)>) -> Result<()> {
        let (rows, lanes): (Vec<Row>, Vec<Option<usize>>) = rows.into_iter().unzip();
        let nowhere = self.batch.kept.rows - 1;
        let places: Vec<usize> = lanes.into_iter().map(|lane| lane.unwrap_or(nowhere)).collect();
        let width = self.batch.width;
        for (rows, places) in rows.chunks(width).zip(places.chunks(width)) {
            self.pass(rows, places)?;
        }
        Ok(())
    }
}
