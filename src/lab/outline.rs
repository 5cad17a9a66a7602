//! A device that holds no weights: a model's real plan, and what its steps read, without the memory of the model.

use std::cell::RefCell;
use std::rc::Rc;

use super::cards::Card;
use crate::error::{Error, Result};
use crate::generate::{Engine, PassOutput};
use crate::gpu::Class;
use crate::model::{Config, Decoder, KvType, WeightSource};
use crate::plan::{Backend, Element, Fetch, Kernel, Place, Plan, ProgramId, Step, Tensor};
use crate::progress::Progress;

/// Most bytes of a tensor whose contents are kept. Larger ones are codes, and count as zeros: what a kernel does with
/// a code does not depend on it.
const KEPT_BYTES: u64 = 16 << 20;

/// Contents of tensors, by number; None counts as zeros.
type TensorContents = Rc<RefCell<Vec<Option<Vec<u32>>>>>;

/// Device that notes tensors and runs nothing.
struct Outline {
    max_tensor_bytes: u64,
    fuses: bool,
    contents: TensorContents,
}

impl Backend for Outline {
    fn fuses(&self) -> bool {
        self.fuses
    }

    fn create(&mut self, _: &str, rows: usize, cols: usize, element: Element) -> Result<Tensor> {
        let mut contents = self.contents.borrow_mut();
        contents.push(None);
        Ok(Tensor { place: Place::Resident(contents.len() as u32 - 1), rows, cols, element })
    }

    fn max_tensor_bytes(&self) -> u64 {
        self.max_tensor_bytes
    }

    fn tolerance(&self, _: &'static Kernel) -> f64 {
        0.0
    }

    fn residents(&self) -> usize {
        self.contents.borrow().len()
    }

    fn keep_residents(&mut self, kept: usize) {
        self.contents.borrow_mut().truncate(kept);
    }

    fn prepare(&mut self, _: &Plan, _: bool) -> Result<ProgramId> {
        Ok(ProgramId(0))
    }

    fn release(&mut self, _: ProgramId) {}

    fn run_steps(&mut self, _: ProgramId, _: std::ops::Range<usize>) -> Result<()> {
        Ok(())
    }

    fn write(&mut self, _: Option<ProgramId>, tensor: Tensor, first_word: usize, words: &[u32]) -> Result<()> {
        if let Place::Resident(number) = tensor.place
            && tensor.bytes() <= KEPT_BYTES
        {
            let mut contents = self.contents.borrow_mut();
            let kept = contents[number as usize].get_or_insert_default();
            kept.resize(kept.len().max(first_word + words.len()), 0);
            kept[first_word..][..words.len()].copy_from_slice(words);
        }
        Ok(())
    }

    fn fetch(&mut self, _: Option<ProgramId>, _: Tensor, _: usize, _: usize) -> Result<Fetch> {
        Err(Error::DeviceLost("an outlined model has no results".into()))
    }

    fn finish(&mut self, _: Fetch) -> Result<Vec<u32>> {
        Err(Error::DeviceLost("an outlined model has no results".into()))
    }

    fn memory(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// Model of which one layer of each kind stands for all of them.
pub struct OutlinedModel {
    engine: Engine,
    contents: TensorContents,
    /// Number of the first layer of each kind, and how many layers are of it.
    kinds: Vec<(usize, usize)>,
}

impl OutlinedModel {
    /// Outlines a model for a card that prefills `chunk` tokens at a time, with a cache of this type.
    ///
    /// # Errors
    /// A tensor that is missing, damaged or of another shape; what `progress` returns.
    pub fn new(
        config: &Config,
        source: WeightSource,
        card: &Card,
        [context, chunk]: [usize; 2],
        kv_cache: KvType,
        progress: &mut dyn Progress,
    ) -> Result<OutlinedModel> {
        let contents = TensorContents::default();
        let kinds = kinds(config, source);
        let numbers: Vec<usize> = kinds.iter().map(|(first, _)| *first).collect();
        let mut outline = Outline {
            max_tensor_bytes: card.max_binding.0 / 256 * 256,
            fuses: card.class != Class::Software,
            contents: Rc::clone(&contents),
        };
        let decoder = Decoder::load_some(config.clone(), &numbers, source, &mut outline, progress)?;
        let engine = Engine::new(Box::new(outline), decoder, context, chunk, kv_cache)?;
        Ok(OutlinedModel { engine, contents, kinds })
    }

    /// Returns the longest sequence in tokens.
    pub fn context(&self) -> usize {
        self.engine.context()
    }

    /// Returns the steps for `rows` tokens after `start` others, each with how often a pass runs it. Names of the
    /// steps of layers begin with `layers`; where there are several kinds, the number of the first layer follows.
    ///
    /// # Errors
    /// Those of placing tokens; there are none.
    pub fn steps(&mut self, rows: usize, start: usize, output: PassOutput) -> Result<Vec<(Step, usize)>> {
        self.engine.truncate(0);
        self.engine.skip(start);
        self.engine.place(&vec![0; rows])?;
        let (plan, _) = self.engine.plan(rows, output);
        let counted = plan.steps.into_iter().map(|mut step| {
            let layer = step.name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
            let Some((number, name)) = layer else { return (step, 1) };
            let (first, count) = self.kinds[number.parse::<usize>().expect("the number of a layer")];
            step.name = if self.kinds.len() == 1 { format!("layers.{name}") } else { format!("layers.{first}.{name}") };
            (step, count)
        });
        Ok(counted.collect())
    }

    /// Returns the words of a tensor. Zeros are memory that no one touches, and that systems give out only then.
    pub fn words(&self, tensor: Tensor) -> Vec<u32> {
        let kept = match tensor.place {
            Place::Resident(number) => self.contents.borrow()[number as usize].clone(),
            Place::Scratch(_) => None,
        };
        // Bindings are vectors of 16 bytes.
        let words = tensor.words().max(4).next_multiple_of(4);
        match kept {
            Some(mut kept) => {
                kept.resize(words, 0);
                kept
            }
            None => vec![0; words],
        }
    }
}

/// Returns the number of the first layer of each kind, and how many layers are of it. Layers are of one kind if their
/// tensors have the same types and shapes; numbers of outliers, the lengths of vectors, may differ.
fn kinds(config: &Config, source: WeightSource) -> Vec<(usize, usize)> {
    let layers = config.num_hidden_layers;
    let WeightSource::Checkpoint { checkpoint, .. } = source else { return vec![(0, layers)] };
    let mut kinds: Vec<(Vec<_>, usize, usize)> = Vec::new();
    for layer in 0..layers {
        let prefix = format!("model.layers.{layer}.");
        let own = checkpoint.tensors.infos().iter().filter_map(|tensor| {
            let shape = if tensor.shape.len() > 1 { tensor.shape.as_slice() } else { &[] };
            Some((tensor.name.strip_prefix(&prefix)?, tensor.storage.name, shape))
        });
        let mut own: Vec<_> = own.collect();
        own.sort_unstable();
        match kinds.iter_mut().find(|(tensors, ..)| *tensors == own) {
            Some((_, _, count)) => *count += 1,
            None => kinds.push((own, layer, 1)),
        }
    }
    kinds.into_iter().map(|(_, first, count)| (first, count)).collect()
}
