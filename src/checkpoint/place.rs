//! Places of tensors in a file's data.

use super::source::Source;
use super::tensors::{TensorInfo, refuse_duplicates};
use crate::error::{Error, Result};

pub(super) const DAMAGED: &str = "the file is damaged or cut short; download it again";

/// Orders tensors by offset and makes the offsets relative to the start of the file, where the data begins at `data`.
/// `field` is the format's name of an offset; `gaps` allows unused bytes between tensors and at the end.
///
/// # Errors
/// A duplicate name; a tensor that overlaps another or the end of the file; a gap that is not allowed.
pub(super) fn place(source: &Source, data: u64, field: &str, gaps: bool, tensors: &mut [TensorInfo]) -> Result<()> {
    refuse_duplicates(source.path(), tensors)?;
    tensors.sort_unstable_by(|a, b| (a.offset, a.bytes, &a.name).cmp(&(b.offset, b.bytes, &b.name)));
    let room = source.len().saturating_sub(data);
    let mut end = 0;
    for tensor in tensors {
        let offset = tensor.offset;
        let bad = |expected: String, found: String| {
            let field = format!("tensor {}, {field}", tensor.name);
            Err(Error::malformed(source.path(), field, expected, found, DAMAGED))
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
        false => {
            Err(Error::malformed(source.path(), "data", format!("{end} bytes, those of the tensors"), room, DAMAGED))
        }
    }
}
