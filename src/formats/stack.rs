//! Several weights with one input as one weight, the rows of each behind those before it: one product in place of many.

use std::ops::Range;

use super::{DeviceTensor, Format, QuantizedWeight};
use crate::kernels::WeightLayout;

/// Weights of one format, layout and order of columns.
#[derive(Debug)]
pub struct Stack(Vec<Box<dyn QuantizedWeight>>);

/// Rows that formats keep together: statistics of these are stored side by side.
const TOGETHER: usize = 32;

impl Stack {
    /// Stacks the weights, or gives them back if they differ in more than their rows.
    ///
    /// # Errors
    /// The weights.
    pub fn new(parts: Vec<Box<dyn QuantizedWeight>>) -> Result<Stack, Vec<Box<dyn QuantizedWeight>>> {
        let first = &*parts[0];
        let alike = |part: &dyn QuantizedWeight| {
            (part.format().name, part.cols(), part.layout(), part.order())
                == (first.format().name, first.cols(), first.layout(), first.order())
        };
        let whole = parts[..parts.len() - 1].iter().all(|part| part.rows().is_multiple_of(TOGETHER));
        if whole && parts.iter().all(|part| alike(&**part)) { Ok(Stack(parts)) } else { Err(parts) }
    }
}

/// Returns the parts of `rows` in weights of these sizes that lie behind one another: the weight's number, its own rows,
/// and their place within `rows`.
pub fn overlaps(sizes: impl Iterator<Item = usize>, rows: Range<usize>) -> Vec<(usize, Range<usize>, usize)> {
    let mut parts = Vec::new();
    let mut first = 0;
    for (number, size) in sizes.enumerate() {
        let (start, end) = (rows.start.max(first), rows.end.min(first + size));
        if start < end {
            parts.push((number, start - first..end - first, start - rows.start));
        }
        first += size;
    }
    parts
}

impl QuantizedWeight for Stack {
    fn format(&self) -> &'static Format {
        self.0[0].format()
    }

    fn rows(&self) -> usize {
        self.0.iter().map(|part| part.rows()).sum()
    }

    fn cols(&self) -> usize {
        self.0[0].cols()
    }

    fn layout(&self) -> WeightLayout {
        self.0[0].layout()
    }

    fn order(&self) -> Option<&[u32]> {
        self.0[0].order()
    }

    fn row_bytes(&self) -> u64 {
        self.0.iter().map(|part| part.row_bytes()).max().unwrap_or(0)
    }

    fn device_tensors(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        let parts = overlaps(self.0.iter().map(|part| part.rows()), rows);
        let parts = parts.into_iter().map(|(part, own, _)| (own.len(), self.0[part].device_tensors(own)));
        let joined = parts.reduce(|(rows, all), (more_rows, more)| {
            let each = all.into_iter().zip(more).map(|(a, b)| a.joined(rows, b, more_rows));
            (rows + more_rows, each.collect())
        });
        joined.map(|(_, tensors)| tensors).unwrap_or_default()
    }

    fn dequantize(&self) -> Vec<f32> {
        self.0.iter().flat_map(|part| part.dequantize()).collect()
    }

    fn true_bits(&self) -> u64 {
        self.0.iter().map(|part| part.true_bits()).sum()
    }
}
