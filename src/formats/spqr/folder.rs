//! SpQR folders, a layout of this program's own. Tensors of a linear with R rows, C columns, G groups and E outliers:
//!
//! | part | type | shape |
//! |---|---|---|
//! | spqr_q | U32 | [R, C · bits / 32] |
//! | spqr_sc, spqr_zc | U8 | [G, R] |
//! | spqr_s2 | F16 | [G, R / 16, 4] |
//! | spqr_rows | U32 | [R + 1] |
//! | spqr_cols | U16 | \[E\] |
//! | spqr_vals | F16 | \[E\] |
//! | spqr_perm | U16 (U32 is read too) | \[C\], absent where columns are in their own order |

use half::f16;
use serde_json::{Map, Value, json};

use super::Spqr;
use crate::checkpoint::NewTensor;
use crate::error::Result;
use crate::formats::QuantizedWeight;
use crate::formats::codes::code;
use crate::formats::file::linear::{LinearFile, bytes_of, bytes_of_halves, tensor};
use crate::formats::file::{Fields, FolderFormat, FolderLayout, FolderWriter, Notes, object, quantizer};

pub static FOLDER: FolderFormat = FolderFormat {
    quant_method: "spqr",
    tensors: &["spqr_q"],
    implied: |_| Ok(false),
    parse: |fields, _| Ok(Box::new(parse(fields)?)),
};

/// Settings of a SpQR folder.
#[derive(Clone, Debug, PartialEq)]
pub struct SpqrFolder {
    pub bits: u32,
    pub group_size: usize,
    pub scale_bits: u32,
    pub zero_bits: u32,
    pub outliers: OutlierMeaning,
}

/// Meaning of an outlier's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierMeaning {
    /// It is added to the dense weight.
    Add,
    /// It is the weight itself.
    Replace,
}

impl FolderWriter for SpqrFolder {
    fn write(&self, prefix: &str, weight: &dyn QuantizedWeight) -> Result<Vec<NewTensor<'static>>> {
        let weight: &Spqr = weight.downcast_ref().expect("a weight of the folder's format");
        let Spqr { rows, cols, bits, group_size, scale_bits, zero_bits, .. } = *weight;
        let written = SpqrFolder { bits, group_size, scale_bits, zero_bits, outliers: OutlierMeaning::Add };
        assert_eq!(&written, self, "{prefix}: settings of the folder");
        assert!(cols <= MOST_COLUMNS, "{prefix}: {cols} columns");
        let groups = weight.groups();
        let narrow = |numbers: &mut dyn Iterator<Item = u16>| numbers.flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let stats: Vec<f16> = weight.stats.concat();
        let outliers = weight.values.len();
        let mut tensors = vec![
            tensor(prefix, "spqr_q", "U32", &[rows, cols * bits as usize / 32], bytes_of(&weight.codes)),
            tensor(prefix, "spqr_sc", "U8", &[groups, rows], weight.scale_codes.clone()),
            tensor(prefix, "spqr_zc", "U8", &[groups, rows], weight.zero_codes.clone()),
            tensor(prefix, "spqr_s2", "F16", &[groups, rows / 16, 4], bytes_of_halves(&stats)),
            tensor(prefix, "spqr_rows", "U32", &[rows + 1], bytes_of(&weight.row_start)),
            tensor(prefix, "spqr_cols", "U16", &[outliers], narrow(&mut weight.columns.iter().copied())),
            tensor(prefix, "spqr_vals", "F16", &[outliers], bytes_of_halves(&weight.values)),
        ];
        if let Some(perm) = &weight.order {
            let columns = narrow(&mut perm.iter().map(|&column| column as u16));
            tensors.push(tensor(prefix, "spqr_perm", "U16", &[cols], columns));
        }
        Ok(tensors)
    }

    fn to_json(&self) -> Map<String, Value> {
        object(json!({
            "quant_method": "spqr",
            "variant": "qwgpu-1",
            "bits": self.bits,
            "group_size": self.group_size,
            "stat_group": 16,
            "scale_bits": self.scale_bits,
            "zero_bits": self.zero_bits,
            "outlier_semantics": match self.outliers {
                OutlierMeaning::Add => "add",
                OutlierMeaning::Replace => "replace",
            },
            "meta": {"quantizer": [quantizer()]},
        }))
    }
}

fn parse(fields: &Fields) -> Result<SpqrFolder> {
    match fields.text(&["variant"])? {
        Some((_, "qwgpu-1")) => (),
        other => {
            let named = |(name, variant)| format!("{name} {variant:?}");
            let found = other.map_or("of its authors' package".to_owned(), named);
            let fix = "quantize the original weights with qwgpu's own spqr";
            return Err(fields.unsupported("quant_method \"spqr\"", found, fix));
        }
    }
    fields.size("stat_group", 16..=16)?;
    let group_size = fields.size("group_size", 16..=1 << 20)?;
    if group_size % 16 != 0 {
        return Err(fields.bad("group_size", "a multiple of 16"));
    }
    Ok(SpqrFolder {
        bits: fields.bits()?,
        group_size,
        scale_bits: fields.size("scale_bits", 2..=8)? as u32,
        zero_bits: fields.size("zero_bits", 2..=8)? as u32,
        outliers: match fields.text(&["outlier_semantics"])? {
            Some((_, "add")) => OutlierMeaning::Add,
            Some((_, "replace")) => OutlierMeaning::Replace,
            _ => return Err(fields.bad("outlier_semantics", "\"add\" or \"replace\"")),
        },
    })
}

/// Columns that 16 bits can count.
const MOST_COLUMNS: usize = 1 << 16;

impl FolderLayout for SpqrFolder {
    fn read(&self, linear: &LinearFile, _: &Notes) -> Result<Box<dyn QuantizedWeight>> {
        let (rows, cols) = (linear.rows, linear.cols);
        if rows % 16 != 0 || cols % 32 != 0 || cols % self.group_size != 0 || cols > MOST_COLUMNS {
            let what =
                format!("{} of [{rows}, {cols}] in groups of {} in an SpQR folder", linear.prefix, self.group_size);
            let fix = "rows must be a multiple of 16; columns one of 32 and of the group, and at most 65536";
            return Err(linear.unsupported(what, fix));
        }
        let groups = cols / self.group_size;
        linear.expect("spqr_q", &["U32"], &[rows, cols * self.bits as usize / 32])?;
        linear.expect("spqr_sc", &["U8"], &[groups, rows])?;
        linear.expect("spqr_zc", &["U8"], &[groups, rows])?;
        linear.expect("spqr_s2", &["F16"], &[groups, rows / 16, 4])?;
        linear.expect("spqr_rows", &["U32"], &[rows + 1])?;
        let outliers = linear.typed("spqr_cols", &["U16"], "fetch the folder again")?.elements();
        linear.expect("spqr_cols", &["U16"], &[outliers])?;
        linear.expect("spqr_vals", &["F16"], &[outliers])?;
        let stats = linear.halves("spqr_s2")?.as_chunks().0.to_vec();
        let (row_start, columns) = outlier_places(linear, outliers)?;
        let mut weight = Spqr {
            rows,
            cols,
            bits: self.bits,
            group_size: self.group_size,
            scale_bits: self.scale_bits,
            zero_bits: self.zero_bits,
            codes: linear.words("spqr_q")?,
            scale_codes: small_codes(linear, "spqr_sc", self.scale_bits)?,
            zero_codes: small_codes(linear, "spqr_zc", self.zero_bits)?,
            stats,
            row_start,
            columns,
            values: linear.halves("spqr_vals")?,
            order: order(linear)?,
        };
        if self.outliers == OutlierMeaning::Replace {
            make_additive(linear, &mut weight)?;
        }
        Ok(Box::new(weight))
    }
}

fn small_codes(linear: &LinearFile, part: &str, bits: u32) -> Result<Vec<u8>> {
    let codes = linear.bytes(part)?;
    match codes.iter().position(|&code| u32::from(code) >> bits != 0) {
        None => Ok(codes),
        Some(at) => Err(linear.bad_element(part, at, format!("a code of {bits} bits"), codes[at])),
    }
}

/// Reads row starts, which count up to all outliers, and columns, which increase within each row.
fn outlier_places(linear: &LinearFile, outliers: usize) -> Result<(Vec<u32>, Vec<u16>)> {
    let row_start = linear.words("spqr_rows")?;
    for (at, expected) in [(0, 0), (linear.rows, outliers)] {
        if row_start[at] as usize != expected {
            let expected = format!("{expected}, as spqr_cols has {outliers} outliers");
            return Err(linear.bad_element("spqr_rows", at, expected, row_start[at]));
        }
    }
    if let Some(row) = row_start.windows(2).position(|pair| pair[0] > pair[1]) {
        let expected = format!("{} or more, the row's own start", row_start[row]);
        return Err(linear.bad_element("spqr_rows", row + 1, expected, row_start[row + 1]));
    }
    let columns = linear.u16s("spqr_cols")?;
    if let Some(at) = columns.iter().position(|&column| usize::from(column) >= linear.cols) {
        return Err(linear.bad_element("spqr_cols", at, format!("a column below {}", linear.cols), columns[at]));
    }
    for bounds in row_start.windows(2) {
        let (start, end) = (bounds[0] as usize, bounds[1] as usize);
        if let Some(at) = columns[start..end].windows(2).position(|pair| pair[0] >= pair[1]) {
            let at = start + at + 1;
            let expected = format!("a column above {}, the one before it in the row", columns[at - 1]);
            return Err(linear.bad_element("spqr_cols", at, expected, columns[at]));
        }
    }
    Ok((row_start, columns))
}

fn order(linear: &LinearFile) -> Result<Option<Vec<u32>>> {
    let Some(tensor) = linear.info("spqr_perm") else { return Ok(None) };
    let wide = tensor.storage.name == "U32";
    linear.expect("spqr_perm", &["U16", "U32"], &[linear.cols])?;
    let perm: Vec<u32> = match wide {
        true => linear.words("spqr_perm")?,
        false => linear.u16s("spqr_perm")?.into_iter().map(u32::from).collect(),
    };
    linear.check_order("spqr_perm", &perm)?;
    Ok(Some(perm))
}

/// Turns outliers that are the weights themselves into what is to be added.
fn make_additive(linear: &LinearFile, weight: &mut Spqr) -> Result<()> {
    let row_words = weight.cols * weight.bits as usize / 32;
    for row in 0..weight.rows {
        let words = &weight.codes[row * row_words..][..row_words];
        for at in weight.row_start[row] as usize..weight.row_start[row + 1] as usize {
            let column = usize::from(weight.columns[at]);
            let (scale, zero) = weight.statistics(column / weight.group_size, row);
            let dense = scale * (code(words, column, weight.bits) as f32 - zero);
            let delta = f16::from_f32(weight.values[at].to_f32() - dense);
            if !delta.is_finite() {
                return Err(linear.bad_element("spqr_vals", at, "a weight near its row's others", weight.values[at]));
            }
            weight.values[at] = delta;
        }
    }
    Ok(())
}
