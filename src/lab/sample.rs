//! Counters of a large dispatch from a few of its workgroups.
//!
//! In a grid of workgroups, columns of whole tiles are alike, so that the middle one stands for them; the last column,
//! where it reaches beyond the cells, stands for itself. The rows of workgroups do work that is the same for all or
//! grows steadily, as that of attention does, which sees more keys from row to row: the first and the last whole one
//! stand for half of them each, and a last one beyond the cells for itself. This is exact for kernels whose
//! workgroups do the same but at the edges, and tests/emulator/sample.rs holds it to that. Sectors that several
//! workgroups read count for each of them, so that re-reads are those within a workgroup. All parts of a split step run,
//! as the last ones may be empty.

use crate::emulator::{
    Buffer, Counters, EmulatorOptions, Schedule, ShaderProgram, Shadow, Words, compile, run_workgroups,
};
use crate::error::{Error, Result};
use crate::gpu::pipeline;
use crate::plan::dispatch::dispatches;
use crate::plan::{Consts, Step, Tensor, Variant};

/// Returns the counters of each of a step's dispatches by `variant` on subgroups of so many lanes; `words` are those of a tensor
/// that it binds.
///
/// # Errors
/// The shader does not compile, or the emulator cannot run it.
pub fn step(
    step: &Step,
    (variant, consts): (&Variant, Consts),
    subgroup: usize,
    words: impl Fn(Tensor) -> Vec<u32>,
) -> Result<Vec<Counters>> {
    let consts = consts.specialized(&step.consts);
    let fail =
        |message: String| Error::Shader { kernel: step.kernel.name.into(), variant: variant.name.into(), message };
    let text = pipeline::source(variant, &consts, None)?;
    let params = bytemuck::pod_collect_to_vec(&step.params);
    let mut words: Vec<Vec<u32>> =
        std::iter::once(params).chain(step.bind.iter().map(|tensor| words(*tensor))).collect();
    let output = words.len() - step.outputs().len();
    words.push(vec![0; step.part_words * consts.splits() as usize]);
    let mut all = Vec::new();
    for (entry, groups) in dispatches(step.kernel, variant, &consts, step.cells) {
        let program = compile(&text, &consts, entry).map_err(|error| fail(error.message))?;
        let (tile, parts) = if entry == "main" { ((variant.tile)(&consts), consts.splits()) } else { ([1, 1], 0) };
        let shape = (groups, step.cells, tile, parts);
        all.push(sample(&program, subgroup, shape, &mut words, output).map_err(fail)?);
    }
    Ok(all)
}

/// Returns the counters of a dispatch of `groups` whose `cells` [rows, columns] are cut into tiles, and those into parts
/// along z if there are any. `words` are those of the bindings by number, the parameters first, written from `output` on.
fn sample(
    program: &ShaderProgram,
    subgroup: usize,
    (groups, cells, tile, parts): ([u32; 3], [usize; 2], [u32; 2], u32),
    words: &mut [Vec<u32>],
    output: usize,
) -> std::result::Result<Counters, String> {
    let settings =
        EmulatorOptions { sanitize: false, profile: true, ..EmulatorOptions::sanitizing(subgroup, Schedule::Forward) };
    let [whole_rows, whole_cols] = [0, 1].map(|i| cells[i] as u32 / tile[i]);
    let cols = cells[1].div_ceil(tile[1] as usize) as u32;
    let half = whole_rows / 2;
    let rows = [(0, whole_rows - half), (whole_rows.saturating_sub(1), half), (whole_rows, groups[1] - whole_rows)];
    let beyond = if parts > 0 { 0 } else { groups[0] * groups[2] - cols };
    let columns = [(whole_cols / 2, whole_cols), (whole_cols, cols - whole_cols), (cols, beyond)];
    let mut total = Counters::default();
    for (row, rows) in rows.into_iter().filter(|(_, times)| *times > 0) {
        for (col, cols) in columns.into_iter().filter(|(_, times)| *times > 0) {
            let number = col % groups[0] + groups[0] * (row + groups[1] * (col / groups[0]));
            for part in 0..parts.max(1) {
                let number = number + part * groups[0] * groups[1];
                let buffers = bind(program, words, output)?;
                let outcome = run_workgroups(program, settings, groups, number..number + 1, buffers)?;
                total.add(&outcome.counters, u64::from(rows) * u64::from(cols));
            }
        }
    }
    Ok(total)
}

/// Returns the words in the order of the program's bindings.
fn bind<'a>(
    program: &ShaderProgram,
    words: &'a mut [Vec<u32>],
    output: usize,
) -> std::result::Result<Vec<Buffer<'a>>, String> {
    let mut free: Vec<_> = words.iter_mut().map(Some).collect();
    let mut buffers = Vec::new();
    for number in program.binding_numbers() {
        let words = free.get_mut(number).and_then(Option::take).ok_or(format!("no binding {number}"))?;
        let words = if number < output { Words::Read(words) } else { Words::Write(words) };
        buffers.push(Buffer { words, shadow: Shadow::default() });
    }
    Ok(buffers)
}
