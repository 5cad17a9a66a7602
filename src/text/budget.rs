//! What a chat template may use up. A template comes with the weights and is as little trusted as they are, while
//! the engine only counts its instructions: one `s ~ s` in a loop doubles a string without bound, lists that
//! contain each other twice take forever to compare, and a deep one overflows the stack when it is dropped.
//! So [`guarded`] puts a call before or after each instruction that can grow a value, and [`Budget`] adds up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use minijinja::machinery::{Instruction, Instructions};
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// Bytes that a render may make, intermediate strings included.
const BYTES: u64 = 64 << 20;
/// And this many for each byte of the conversation.
const BYTES_PER_INPUT: u64 = 64;
/// What a value costs apart from its text.
const NODE: u64 = 32;
const DEPTH: usize = 64;
const TIME: Duration = Duration::from_secs(1);
/// A render that did less than this is not slow by its own doing, whatever the clock says.
const CALLS_BEFORE_TIME: u64 = 10_000;
const BYTES_BEFORE_TIME: u64 = 8 << 20;

pub(super) struct Budget {
    bytes: u64,
    used: AtomicU64,
    calls: AtomicU64,
    started: Instant,
}

impl Budget {
    pub fn new(input: usize) -> Budget {
        Budget {
            bytes: BYTES + BYTES_PER_INPUT * input as u64,
            used: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    pub fn charge(&self, bytes: u64) -> Result<(), Error> {
        let before = self.used.fetch_add(bytes.min(1 << 40), Relaxed);
        if before.saturating_add(bytes) > self.bytes {
            return Err(refused(format!("the template makes more than {} bytes of text and values", self.bytes)));
        }
        let calls = self.calls.fetch_add(1, Relaxed);
        if (calls > CALLS_BEFORE_TIME || before > BYTES_BEFORE_TIME) && self.started.elapsed() > TIME {
            return Err(refused(format!("the template runs for more than {TIME:?}")));
        }
        Ok(())
    }

    /// Charges for a value with all that it contains; `text` says whether the bytes of strings inside count.
    pub fn weigh(&self, value: &Value, text: bool) -> Result<(), Error> {
        self.walk(value, text, 0)
    }

    fn walk(&self, value: &Value, text: bool, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(refused(format!("values nest deeper than {DEPTH}")));
        }
        match value.kind() {
            ValueKind::String if text || depth == 0 => self.charge(NODE + value.as_str().map_or(0, str::len) as u64),
            kind @ (ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) => {
                self.charge(NODE)?;
                for item in value.try_iter()? {
                    if kind == ValueKind::Map {
                        self.walk(&value.get_item(&item)?, text, depth + 1)?;
                    }
                    self.walk(&item, text, depth + 1)?;
                }
                Ok(())
            }
            _ => self.charge(NODE),
        }
    }

    /// The value itself, but a lazy sequence becomes a list: chains of lazy ones call each other without bound.
    pub fn settle(&self, value: Value) -> Result<Value, Error> {
        self.weigh(&value, false)?;
        match value.kind() {
            ValueKind::Iterable => Ok(value.try_iter()?.collect()),
            _ => Ok(value),
        }
    }
}

fn refused(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

/// The guards, by names that no template can spell.
pub(super) mod guard {
    /// Two operands, whose text is about to be compared, joined or written.
    pub const BOTH: &str = "guard both";
    /// Two operands of `+`: strings are copied, lists are not.
    pub const SUM: &str = "guard sum";
    /// Two operands of `*`.
    pub const PRODUCT: &str = "guard product";
    /// A new value.
    pub const VALUE: &str = "guard value";
    /// A namespace and what it is about to hold; gives the namespace back too, for a look at it afterwards.
    pub const NAMESPACE: &str = "guard namespace";
}

/// The same program with guards in it. Jumps are adjusted: their targets are instruction numbers.
pub(super) fn guarded<'s>(
    program: &Instructions<'s>,
    name: &'s str,
    source: &'s str,
) -> Result<Instructions<'s>, Error> {
    let mut moved_to = Vec::new();
    let mut length = 0;
    let mut expanded = Vec::new();
    for at in 0.. {
        let Some(instruction) = program.get(at) else {
            break;
        };
        let replacement = expand(instruction)?;
        moved_to.push(length);
        length += replacement.len() as u32;
        expanded.push((at, replacement));
    }
    moved_to.push(length);

    let mut guarded = Instructions::new(name, source);
    for (at, replacement) in expanded {
        for mut instruction in replacement {
            if let Some(target) = target(&mut instruction) {
                *target = moved_to.get(*target as usize).copied().unwrap_or(length);
            }
            match (program.get_span(at), program.get_line(at)) {
                (Some(span), _) => guarded.add_with_span(instruction, span),
                (None, Some(line)) => guarded.add_with_line(instruction, line as u16),
                (None, None) => guarded.add(instruction),
            };
        }
    }
    Ok(guarded)
}

fn expand<'s>(instruction: &Instruction<'s>) -> Result<Vec<Instruction<'s>>, Error> {
    use Instruction as I;
    let itself = || instruction.clone();
    let call = |guard, count| I::CallFunction(guard, Some(count));
    let before = |guard| vec![call(guard, 2), I::UnpackList(2), itself()];
    let after = || vec![itself(), call(guard::VALUE, 1)];
    Ok(match instruction {
        I::EmitRaw(text) => vec![I::LoadConst(Value::from(*text)), I::Emit],
        I::StringConcat | I::Eq | I::Ne | I::Gt | I::Gte | I::Lt | I::Lte | I::In | I::CompareAndPreserve(_) => {
            before(guard::BOTH)
        }
        I::Add => before(guard::SUM),
        I::Mul => {
            let mut steps = before(guard::PRODUCT);
            steps.push(call(guard::VALUE, 1));
            steps
        }
        I::CallMethod("changed", _) => {
            return Err(Error::new(ErrorKind::InvalidOperation, "loop.changed is not supported"));
        }
        I::Slice
        | I::GetItem
        | I::BuildList(_)
        | I::BuildTuple(_)
        | I::BuildMap(_)
        | I::ApplyFilter(..)
        | I::CallMethod(..) => after(),
        I::CallFunction("dict" | "namespace", _) => after(),
        I::SetAttr(_) => {
            vec![call(guard::NAMESPACE, 2), I::UnpackList(3), itself(), call(guard::VALUE, 1), I::DiscardTop]
        }
        _ => vec![itself()],
    })
}

fn target<'a>(instruction: &'a mut Instruction<'_>) -> Option<&'a mut u32> {
    use Instruction as I;
    match instruction {
        I::Iterate(target)
        | I::Jump(target)
        | I::JumpIfFalse(target)
        | I::JumpIfFalseOrPop(target)
        | I::JumpIfTrueOrPop(target)
        | I::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}
