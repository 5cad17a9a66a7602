//! One sequence and its cache: prefill in chunks, decode token by token.
//!
//! Plans are built for the number of rows they process and kept; what changes from token to token is
//! read from the `token` and `position` tensors.

use std::collections::HashMap;

use super::batch::Batch;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::{DRAW_WORDS, MOST_CANDIDATES, Reach};
use crate::model::{Decoder, KvCache, KvType, Rows};
use crate::plan::{Backend, Element, Fetch, Plan, ProgramId, Tensor};

/// Output of a pass, which fills the cache besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassOutput {
    /// None.
    Nothing,
    /// Logits of the last row.
    Logits,
    /// The greedy token after the last row, left where the next step reads it.
    Token,
    /// A token drawn from so many candidates, the highest logits after the last row: left likewise, the candidates behind
    /// it.
    Drawn(usize),
    /// Negative log-likelihood of each row's target, \[m, 2\] as of [`Plan::token_nll`].
    Nll,
    /// Logits of every row.
    AllLogits,
}

/// Decoder with the cache of one sequence, or of many that begin alike ([`Engine::score`], [`Engine::replies`]).
pub struct Engine {
    pub(super) backend: Box<dyn Backend>,
    /// Weights.
    pub model: Decoder,
    pub(super) cache: KvCache,
    /// [1, chunk] each: a row's token, its position in the sequence, its number, and the token it should predict. The
    /// first is at least as long as a drawn token with its candidates.
    pub(super) token: Tensor,
    pub(super) position: Tensor,
    row: Tensor,
    target: Tensor,
    /// [chunk, 4]: [`Reach::ALONE`] for every row.
    pub(super) reach: Tensor,
    /// True if a sampled token is drawn on the device, from the highest logits. Where the host is the device, to read all
    /// logits takes less.
    pub draws_on_device: bool,
    /// Settings of the next draw on the device, and the tokens seen: see [`Plan::draw`].
    pub(super) drawing: Tensor,
    pub(super) chunk: usize,
    /// Tokens that exist; logits beyond are padding of the matrix.
    pub(super) vocab: usize,
    /// Tokens in the cache.
    pub(super) len: usize,
    programs: HashMap<(usize, PassOutput), ChunkProgram>,
    /// Those that verify proposals.
    pub(super) verifiers: HashMap<(usize, PassOutput), ChunkProgram>,
    /// Tensors that several sequences at once need besides.
    pub(super) batch: Batch,
}

#[derive(Clone, Copy)]
pub(super) struct ChunkProgram {
    pub id: ProgramId,
    /// Tensor of an [`PassOutput`].
    pub output: Option<Tensor>,
}

/// Programs kept for lengths of prompts seen; a model needs three or four all the time.
const MOST_PROGRAMS: usize = 16;

impl Engine {
    /// Creates a sequence of at most `context` tokens, prefilled `chunk` tokens at a time, with a cache of this type. Every
    /// row of the output matrix is taken for a token.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when the device refuses; those of the shaders.
    pub fn new(
        mut backend: Box<dyn Backend>,
        model: Decoder,
        context: usize,
        chunk: usize,
        kv_cache: KvType,
    ) -> Result<Engine> {
        let b = &mut *backend;
        let cache = KvCache::new(b, &model.config, context, kv_cache)?;
        let token = b.create("token", 1, chunk.max(1 + 2 * MOST_CANDIDATES), Element::U32)?;
        let position = b.create("position", 1, chunk, Element::U32)?;
        let row = b.create("row", 1, chunk, Element::U32)?;
        b.write(None, row, 0, &(0..chunk as u32).collect::<Vec<_>>())?;
        let target = b.create("target", 1, chunk, Element::U32)?;
        let reach = b.create("reach", chunk, 4, Element::U32)?;
        b.write(None, reach, 0, bytemuck::cast_slice(&vec![Reach::ALONE; chunk]))?;
        let batch = Batch::new(b, &model.config, chunk)?;
        let vocab = model.config.vocab_size;
        let drawing = b.create("drawing", 1, DRAW_WORDS + vocab.div_ceil(32), Element::U32)?;
        let draws_on_device = !b.is_host();
        Ok(Engine {
            backend,
            model,
            cache,
            token,
            position,
            row,
            target,
            reach,
            draws_on_device,
            drawing,
            chunk,
            vocab,
            len: 0,
            programs: HashMap::new(),
            verifiers: HashMap::new(),
            batch,
        })
    }

    /// Prepares the largest program, before any other: its scratch memory serves all.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when the device refuses; those of the shaders.
    pub(super) fn prepare(&mut self) -> Result<()> {
        self.program(self.chunk.min(self.cache.capacity), PassOutput::Nothing).map(|_| ())
    }

    /// Sets the number of tokens of the tokenizer, before anything is generated.
    pub fn set_vocab(&mut self, vocab: usize) {
        self.vocab = vocab.min(self.model.config.vocab_size);
    }

    /// Returns the number of tokens in the cache.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the length of the longest sequence in tokens.
    pub fn context(&self) -> usize {
        self.cache.capacity
    }

    /// Returns the type of the keys and values in the cache.
    pub fn kv_cache(&self) -> KvType {
        self.cache.kind
    }

    /// Returns the number of tokens that prefill together.
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// Removes all but the first `len` tokens from the cache.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Returns the device.
    pub fn backend(&mut self) -> &mut dyn Backend {
        &mut *self.backend
    }

    /// Returns the adapter with a driver, if that is the device.
    pub fn gpu(&mut self) -> Option<&mut Gpu> {
        let device: &mut dyn std::any::Any = &mut *self.backend;
        device.downcast_mut()
    }

    /// Returns the bytes of weights, of the cache and of scratch memory on the device.
    pub fn memory(&self) -> (u64, u64, u64) {
        (self.model.weight_bytes(), self.cache.bytes(), self.backend.memory().1)
    }

    /// Returns a plan without steps for a pass of `m` rows. Where steps are fused, up to eight rows are each computed as if
    /// alone: the kernels for many rows are for tiles of 64.
    pub(super) fn empty_plan(&self, m: usize) -> Plan {
        let alone = m <= 8 && self.backend.fuses() && !self.model.rows_depend();
        if alone { Plan::alone() } else { Plan::new() }
    }

    /// Returns the plan for `m` rows, and the tensor of its output.
    pub fn plan(&self, m: usize, output: PassOutput) -> (Plan, Option<Tensor>) {
        let rows = Rows { position: self.position, slot: self.position, reach: self.reach }.first(m);
        let mut plan = self.empty_plan(m);
        let x = self.model.forward(&mut plan, self.token.first_cols(m), rows, &self.cache);
        let output = match output {
            PassOutput::Nothing => None,
            PassOutput::Logits => Some(self.model.logits(&mut plan, x, m - 1, 1)),
            PassOutput::AllLogits => Some(self.model.logits(&mut plan, x, 0, m)),
            PassOutput::Token | PassOutput::Drawn(_) => {
                let logits = self.model.logits(&mut plan, x, m - 1, 1);
                let count = if let PassOutput::Drawn(count) = output { count } else { 0 };
                let next = self.token.first_cols(1 + 2 * count);
                if count > 0 {
                    let candidates = plan.top_k("top_k", logits, self.vocab, count);
                    plan.draw("draw", candidates, self.drawing, next);
                } else {
                    plan.argmax("argmax", logits, self.vocab, next);
                }
                if m == 1 {
                    plan.advance("advance", rows.position);
                }
                Some(next)
            }
            PassOutput::Nll => {
                let logits = self.model.logits(&mut plan, x, 0, m);
                let (row, target) = (self.row.first_cols(m), self.target.first_cols(m));
                Some(plan.token_nll("token_nll", logits, self.vocab, row, target))
            }
        };
        (plan, output)
    }

    pub(super) fn program(&mut self, m: usize, output: PassOutput) -> Result<ChunkProgram> {
        if let Some(program) = self.programs.get(&(m, output)) {
            return Ok(*program);
        }
        if self.programs.len() >= MOST_PROGRAMS {
            // Those of one token are the hot path; lengths of prompts come and go.
            let old: Vec<_> = self.programs.keys().copied().filter(|(m, _)| *m != 1 && *m != self.chunk).collect();
            for key in old {
                if let Some(program) = self.programs.remove(&key) {
                    self.backend.release(program.id);
                }
            }
        }
        let (plan, tensor) = self.plan(m, output);
        let id = self.backend.prepare(&plan, false)?;
        let program = ChunkProgram { id, output: tensor };
        self.programs.insert((m, output), program);
        Ok(program)
    }

    /// Writes tokens and positions of the next rows.
    ///
    /// # Errors
    /// Those of the device.
    pub fn place(&mut self, ids: &[u32]) -> Result<()> {
        let positions: Vec<u32> = (self.len..self.len + ids.len()).map(|p| p as u32).collect();
        self.backend.write(None, self.token, 0, ids)?;
        self.backend.write(None, self.position, 0, &positions)
    }

    /// Adds tokens to the length that were run outside of this engine's own calls.
    pub fn skip(&mut self, tokens: usize) {
        self.len += tokens;
    }

    pub(super) fn check_room(&self, tokens: usize) -> Result<()> {
        if self.len + tokens > self.cache.capacity {
            return Err(Error::request(
                "sequence",
                format!("at most {} tokens", self.cache.capacity),
                format!("{} and {tokens} more", self.len),
                "shorten the prompt or give a larger `context`",
            ));
        }
        Ok(())
    }

    /// Feeds `ids`, in chunks; the last chunk gives `output`.
    pub(super) fn feed(&mut self, ids: &[u32], output: PassOutput) -> Result<Option<Fetch>> {
        assert!(!ids.is_empty(), "an empty prompt");
        self.check_room(ids.len())?;
        let mut fetch = None;
        let last = (ids.len() - 1) / self.chunk;
        for (number, ids) in ids.chunks(self.chunk).enumerate() {
            fetch = self.run(ids, if number == last { output } else { PassOutput::Nothing })?;
        }
        Ok(fetch)
    }

    /// Runs one chunk, and fetches its output if it has one.
    fn run(&mut self, ids: &[u32], output: PassOutput) -> Result<Option<Fetch>> {
        let program = self.program(ids.len(), output)?;
        self.place(ids)?;
        self.len += ids.len();
        self.step(program)
    }

    pub(super) fn step(&mut self, program: ChunkProgram) -> Result<Option<Fetch>> {
        self.backend.run(program.id)?;
        let fetch = |tensor: Tensor| self.backend.fetch(Some(program.id), tensor, 0, tensor.words());
        program.output.map(fetch).transpose()
    }

    /// Waits for an output of numbers.
    fn values(&mut self, fetch: Option<Fetch>) -> Result<Vec<f32>> {
        let words = self.backend.finish(fetch.expect("logits and likelihoods are outputs"))?;
        Ok(bytemuck::cast_vec(words))
    }

    /// Feeds `ids` and waits until they are in the cache.
    ///
    /// # Errors
    /// They do not fit the context; those of the device.
    pub fn prefill(&mut self, ids: &[u32]) -> Result<()> {
        self.feed(ids, PassOutput::Nothing)?;
        let done = self.backend.fetch(None, self.token, 0, 1)?;
        self.backend.finish(done)?;
        Ok(())
    }

    /// Feeds `ids` and returns the logits after the last of them \[vocab_size\].
    ///
    /// # Errors
    /// They do not fit the context; those of the device.
    pub fn logits(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let fetch = self.feed(ids, PassOutput::Logits)?;
        self.values(fetch)
    }

    /// Feeds `ids` and calls `each` with the logits after each of them, in order.
    ///
    /// # Errors
    /// They do not fit the context; those of the device; what `each` returns.
    pub fn all_logits(&mut self, ids: &[u32], mut each: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        // What is read back at once: 64 rows of Qwen's vocabulary are 39 MB.
        const ROWS: usize = 64;
        self.check_room(ids.len())?;
        for ids in ids.chunks(ROWS.min(self.logit_rows())) {
            let fetch = self.run(ids, PassOutput::AllLogits)?;
            let logits = self.values(fetch)?;
            logits.chunks_exact(logits.len() / ids.len()).try_for_each(|row| each(&row[..self.vocab]))?;
        }
        Ok(())
    }

    /// Returns the rows whose logits fit one binding.
    fn logit_rows(&self) -> usize {
        let row_bytes = self.model.config.vocab_size as u64 * 4;
        (self.backend.max_tensor_bytes() / row_bytes).clamp(1, self.chunk as u64) as usize
    }

    /// Returns the negative log-likelihood, in nats, of each of `targets`, where target i follows `ids[i]` and all before
    /// it.
    ///
    /// # Errors
    /// The tokens do not fit the context; logits that are not finite; those of the device.
    pub fn nll(&mut self, ids: &[u32], targets: &[u32]) -> Result<Vec<f32>> {
        assert_eq!(ids.len(), targets.len());
        self.check_room(ids.len())?;
        let rows = self.logit_rows();
        let mut nll = Vec::with_capacity(ids.len());
        for (ids, targets) in ids.chunks(rows).zip(targets.chunks(rows)) {
            self.backend.write(None, self.target, 0, targets)?;
            let fetch = self.run(ids, PassOutput::Nll)?;
            let values = self.values(fetch)?;
            if values.iter().any(|v| !v.is_finite()) {
                return Err(not_finite());
            }
            nll.extend(values.chunks_exact(2).map(|pair| pair[0]));
        }
        Ok(nll)
    }
}

pub(super) fn not_finite() -> Error {
    Error::NotFinite { step: "lm_head".into(), tensor: "logits".into() }
}
