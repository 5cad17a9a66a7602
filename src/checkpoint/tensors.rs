//! Named tensors of one or several files, and reading parts of them.

use std::ops::Range;
use std::path::Path;

use super::source::{DAMAGED_MODEL, SourceFile};
use super::storage::{DecodeBlocks, Storage};
use crate::error::{Error, Result};

/// Bytes read at a time: large enough for the disk, small enough for the cache.
const READ_BYTES: usize = 256 << 10;
/// Elements decoded at a time on the way to bf16; a multiple of every block length.
const DECODE_ELEMENTS: usize = 4096;
/// From here on an f32 is infinite or NaN.
const F32_END: f32 = f32::INFINITY;
/// From here on an f32 is infinite or NaN, or rounds to an infinite bf16.
const BF16_END: f32 = f32::from_bits(0x7f7f_8000);

/// One tensor of a checkpoint.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    /// Its Hugging Face name, such as `model.layers.0.mlp.up_proj.weight`.
    pub name: String,
    /// Row-major, the last index fastest: a linear is [out features, in features].
    pub shape: Vec<usize>,
    pub storage: &'static Storage,
    /// Bytes it takes in its file.
    pub bytes: u64,
    /// Number of its file, and its first byte there.
    pub(super) file: usize,
    pub(super) offset: u64,
    /// Rows of a head whose rows are stored in the order 0, h, 1, h + 1, ..., where h is half of them (GGUF's
    /// Llama). Reading returns them in the order 0, 1, 2, ...
    pub(super) interleaved: Option<usize>,
}

impl TensorInfo {
    /// Returns the number of elements. It fits: the parsers derived `bytes` from it with checked arithmetic.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns the number of elements of a row, along the last index.
    pub fn cols(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Reads bytes from position `at` of the tensor on, its rows in order.
    fn read_at(&self, source: &SourceFile, mut at: u64, mut out: &mut [u8]) -> Result<()> {
        let Some(head) = self.interleaved else {
            return source.read_at(self.offset + at, out);
        };
        // Rows are whole blocks, which the parser has checked.
        let row_bytes = (self.cols() / self.storage.elements * self.storage.bytes) as u64;
        let (head, half) = (head as u64, head as u64 / 2);
        while !out.is_empty() {
            let (row, within) = (at / row_bytes, at % row_bytes);
            let stored = row / head * head + row % half * 2 + row % head / half;
            let (part, rest) = out.split_at_mut(((row_bytes - within) as usize).min(out.len()));
            source.read_at(self.offset + stored * row_bytes + within, part)?;
            at += part.len() as u64;
            out = rest;
        }
        Ok(())
    }
}

/// Tensors and the files that hold them.
#[derive(Debug)]
pub struct Tensors {
    files: Vec<SourceFile>,
    infos: Vec<TensorInfo>,
    /// Indices of `infos`, ordered by name.
    by_name: Vec<usize>,
}

impl Tensors {
    /// Takes `infos` in the order of their files and offsets. The caller has checked that they are inside their files
    /// and that no name comes twice.
    pub(super) fn new(files: Vec<SourceFile>, infos: Vec<TensorInfo>) -> Tensors {
        let mut by_name: Vec<usize> = (0..infos.len()).collect();
        by_name.sort_unstable_by_key(|&index| &infos[index].name);
        Tensors { files, infos, by_name }
    }

    /// Returns all tensors by file and offset, the order in which reading them is sequential.
    pub fn infos(&self) -> &[TensorInfo] {
        &self.infos
    }

    /// Returns the files that hold them.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Returns the bytes of the files that hold them.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(SourceFile::len).sum()
    }

    /// Returns the tensor of this name.
    pub fn get(&self, name: &str) -> Option<&TensorInfo> {
        let order = |&index: &usize| self.infos[index].name.as_str().cmp(name);
        let found = self.by_name.binary_search_by(order).ok()?;
        Some(&self.infos[self.by_name[found]])
    }

    /// Returns the file that holds the tensor, for errors; the first one where there is no such tensor.
    pub fn file_of(&self, name: &str) -> &Path {
        self.files[self.get(name).map_or(0, |tensor| tensor.file)].path()
    }

    /// Replaces what `out` held by the elements, widened to f32.
    ///
    /// Errors: no such tensor; a range outside it or off its block boundaries; integers; NaN or
    /// infinity; a file that shrank.
    pub fn read_f32(&self, name: &str, elements: Range<usize>, out: &mut Vec<f32>) -> Result<()> {
        let (tensor, decode) = self.floats(name, &elements)?;
        out.clear();
        out.resize(elements.len(), 0.0);
        self.stream(tensor, &elements, |done, count, blocks| {
            let values = &mut out[done..done + count];
            decode(blocks, values);
            self.refuse_not_below(F32_END, values, tensor, elements.start + done)
        })
    }

    /// Replaces what `out` held by the elements as bits of bf16: exact where the file stores BF16,
    /// else the f32 value rounded once, ties to even.
    ///
    /// Errors: as `read_f32`, and a value too large for bf16.
    pub fn read_bf16(&self, name: &str, elements: Range<usize>, out: &mut Vec<u16>) -> Result<()> {
        let (tensor, decode) = self.floats(name, &elements)?;
        out.clear();
        out.resize(elements.len(), 0);
        let storage = tensor.storage;
        let step = DECODE_ELEMENTS / storage.elements * storage.bytes;
        let mut decoded = vec![0.0; DECODE_ELEMENTS.min(elements.len())];
        self.stream(tensor, &elements, |done, count, blocks| {
            let mut at = done;
            for blocks in blocks.chunks(step) {
                let values = &mut decoded[..blocks.len() / storage.bytes * storage.elements];
                decode(blocks, values);
                self.refuse_not_below(BF16_END, values, tensor, elements.start + at)?;
                for (out, value) in out[at..].iter_mut().zip(&*values) {
                    *out = round_to_bf16(*value);
                }
                at += values.len();
            }
            debug_assert_eq!(at, done + count);
            Ok(())
        })
    }

    /// Replaces what `out` held by the elements' bytes as the file stores them (little-endian).
    ///
    /// Errors: no such tensor; a range outside it or off its block boundaries; a file that shrank.
    pub fn read_bytes(&self, name: &str, elements: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        let tensor = self.part(name, &elements)?;
        let storage = tensor.storage;
        out.clear();
        out.resize(elements.len() / storage.elements * storage.bytes, 0);
        let start = (elements.start / storage.elements) as u64 * storage.bytes as u64;
        tensor.read_at(&self.files[tensor.file], start, out)
    }

    /// Replaces what `out` held by the bytes of whole rows as the file stores them, blocks included; rows are
    /// numbered as in Hugging Face's tensor of this name.
    ///
    /// # Errors
    /// No such tensor; rows outside it; a file that shrank.
    pub fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        let cols = self.get(name).map_or(0, TensorInfo::cols);
        self.read_bytes(name, rows.start.saturating_mul(cols)..rows.end.saturating_mul(cols), out)
    }

    /// Returns the tensor, after checking that `elements` is a part of it in whole blocks.
    fn part(&self, name: &str, elements: &Range<usize>) -> Result<&TensorInfo> {
        let Some(tensor) = self.get(name) else {
            let found = format!("{} tensors, none with it", self.infos.len());
            let fix = "the checkpoint is incomplete or of another architecture; download it again";
            return Err(self.files[0].malformed(format!("tensor {name}"), "a tensor of this name", found, fix));
        };
        let (total, block) = (tensor.elements(), tensor.storage.elements);
        let inside = elements.start <= elements.end && elements.end <= total;
        if !inside || !elements.start.is_multiple_of(block) || !elements.end.is_multiple_of(block) {
            let expected = format!("a part of its {total} elements in whole blocks of {block}");
            return Err(Error::request(
                format!("tensor {name}"),
                expected,
                format!("{elements:?}"),
                "ask for whole rows",
            ));
        }
        Ok(tensor)
    }

    fn floats(&self, name: &str, elements: &Range<usize>) -> Result<(&TensorInfo, DecodeBlocks)> {
        let tensor = self.part(name, elements)?;
        let decode = tensor.storage.decode.ok_or_else(|| {
            let (expected, found) = ("weights in a floating-point or GGUF block type", tensor.storage.name);
            let fix = "the checkpoint is quantized in a way this reader was not told of; use the original weights";
            self.files[tensor.file].malformed(format!("tensor {name}"), expected, found, fix)
        })?;
        Ok((tensor, decode))
    }

    /// Reads the part piece by piece through one buffer: `take(elements done, elements now, blocks)`.
    fn stream(
        &self,
        tensor: &TensorInfo,
        elements: &Range<usize>,
        mut take: impl FnMut(usize, usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let storage = tensor.storage;
        let blocks = elements.len() / storage.elements;
        let at_once = (READ_BYTES / storage.bytes).min(blocks);
        let mut buffer = vec![0; at_once * storage.bytes];
        let first = (elements.start / storage.elements) as u64;
        let mut done = 0;
        while done < blocks {
            let count = at_once.min(blocks - done);
            let buffer = &mut buffer[..count * storage.bytes];
            let start = (first + done as u64) * storage.bytes as u64;
            tensor.read_at(&self.files[tensor.file], start, buffer)?;
            take(done * storage.elements, count * storage.elements, buffer)?;
            done += count;
        }
        Ok(())
    }

    /// Refuses the first value that is NaN or not below `end` in magnitude; `first` is the index
    /// of `values[0]` in the tensor.
    fn refuse_not_below(&self, end: f32, values: &[f32], tensor: &TensorInfo, first: usize) -> Result<()> {
        // No early exit, so that the loop vectorizes; `<` is false for NaN.
        let below = |value: &f32| value.abs() < end;
        if values.iter().fold(true, |all, value| all & below(value)) {
            return Ok(());
        }
        let Some(index) = values.iter().position(|value| !below(value)) else { return Ok(()) };
        let field = format!("tensor {}, element {}", tensor.name, first + index);
        let expected = if end == F32_END { "a finite number" } else { "a finite number in the range of bf16" };
        Err(self.files[tensor.file].malformed(field, expected, values[index], DAMAGED_MODEL))
    }
}

/// Returns the nearest bf16, ties to even, of a finite value. Written out because `half` also quiets NaN, and with that
/// branch the loop does not vectorize: a model of 0.5B took twice as long to load.
fn round_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// Orders tensors by offset and makes the offsets relative to the start of the file, where the data begins at `data`.
/// `field` is the format's name of an offset; `gaps` allows unused bytes between tensors and at the end.
///
/// # Errors
/// A duplicate name; a tensor that overlaps another or the end of the file; a gap that is not allowed.
pub(super) fn place(source: &SourceFile, data: u64, field: &str, gaps: bool, tensors: &mut [TensorInfo]) -> Result<()> {
    tensors.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = tensors.windows(2).find(|pair| pair[0].name == pair[1].name) {
        let fix = "the file is damaged; download it again";
        return Err(source.malformed(
            format!("tensor {}", pair[0].name),
            "one tensor of this name",
            "a duplicate",
            fix,
        ));
    }
    tensors.sort_unstable_by(|a, b| (a.offset, a.bytes, &a.name).cmp(&(b.offset, b.bytes, &b.name)));
    let room = source.len().saturating_sub(data);
    let mut end = 0;
    for tensor in tensors {
        let offset = tensor.offset;
        let bad = |expected: String, found: String| {
            Err(source.damaged(format!("tensor {}, {field}", tensor.name), expected, found))
        };
        if offset < end {
            return bad(format!("{end} or more, where the tensor before it ends"), format!("{offset}, an overlap"));
        }
        if offset > end && !gaps {
            return bad(format!("{end}, where the tensor before it ends"), format!("{offset}, a gap"));
        }
        end = match offset.checked_add(tensor.bytes) {
            Some(end) if end <= room => end,
            _ => return bad(format!("its {} bytes inside the {room} of data", tensor.bytes), offset.to_string()),
        };
        tensor.offset += data;
    }
    match end == room || gaps {
        true => Ok(()),
        false => Err(source.damaged("data", format!("{end} bytes, those of the tensors"), room)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn rounding_is_that_of_half() {
        // Every upper half of a finite f32, with lower halves on both sides of the middle and on it.
        for high in (0..=u16::MAX).filter(|high| f32::from_bits(u32::from(*high) << 16).is_finite()) {
            for low in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let value = f32::from_bits(u32::from(high) << 16 | low);
                assert_eq!(super::round_to_bf16(value), half::bf16::from_f32(value).to_bits(), "{value:e}");
            }
        }
    }
}
