//! Counters of a large dispatch from a few of its workgroups.
//!
//! In a grid of workgroups, columns of whole tiles are alike, so that the middle one stands for them; the last column,
//! where it reaches beyond the cells, stands for itself. The rows of workgroups do work that is the same for all or
//! grows steadily, as that of attention does, which sees more keys from row to row: the first and the last whole one
//! stand for half of them each, and a last one beyond the cells for itself. This is exact for kernels whose
//! workgroups do the same but at the edges, and tests/emulator/sample.rs holds it to that. Sectors that several
//! workgroups read count for each of them, so that re-reads are those within a workgroup.

use crate::emulator::{
    Buffer, Counters, EmulatorOptions, Schedule, ShaderProgram, Shadow, Words, compile, run_workgroups,
};
use crate::error::{Error, Result};
use crate::gpu::pipeline;
use crate::plan::kernel::workgroups;
use crate::plan::{Consts, Step, Tensor, Variant};

/// Returns the counters of a step's dispatch by `variant` on subgroups of so many lanes; `words` are those of a tensor
/// that it binds.
///
/// # Errors
/// The shader does not compile, or the emulator cannot run it.
pub fn step(
    step: &Step,
    (variant, consts): (&Variant, Consts),
    subgroup: usize,
    words: impl Fn(Tensor) -> Vec<u32>,
) -> Result<Counters> {
    let consts = consts.specialized(&step.consts);
    let fail =
        |message: String| Error::Shader { kernel: step.kernel.name.into(), variant: variant.name.into(), message };
    let program = compile(&pipeline::source(variant, &consts, None)?, &consts).map_err(|error| fail(error.message))?;
    let tile = (variant.tile)(&consts);
    let shape = (workgroups(step.cells, tile), step.cells, tile);
    let params = bytemuck::pod_collect_to_vec(&step.params);
    let mut words: Vec<Vec<u32>> =
        std::iter::once(params).chain(step.bind.iter().map(|tensor| words(*tensor))).collect();
    sample(&program, subgroup, shape, &mut words).map_err(fail)
}

/// Returns the counters of a dispatch of `groups` whose `cells` [rows, columns] are cut into tiles. `words` are those of
/// the bindings by number, the parameters first and the output last.
fn sample(
    program: &ShaderProgram,
    subgroup: usize,
    (groups, cells, tile): ([u32; 3], [usize; 2], [u32; 2]),
    words: &mut [Vec<u32>],
) -> std::result::Result<Counters, String> {
    let settings =
        EmulatorOptions { sanitize: false, profile: true, ..EmulatorOptions::sanitizing(subgroup, Schedule::Forward) };
    let [whole_rows, whole_cols] = [0, 1].map(|i| cells[i] as u32 / tile[i]);
    let cols = cells[1].div_ceil(tile[1] as usize) as u32;
    let half = whole_rows / 2;
    let rows = [(0, whole_rows - half), (whole_rows.saturating_sub(1), half), (whole_rows, groups[1] - whole_rows)];
    let beyond = groups[0] * groups[2] - cols;
    let columns = [(whole_cols / 2, whole_cols), (whole_cols, cols - whole_cols), (cols, beyond)];
    let mut total = Counters::default();
    for (row, rows) in rows.into_iter().filter(|(_, times)| *times > 0) {
        for (col, cols) in columns.into_iter().filter(|(_, times)| *times > 0) {
            let number = col % groups[0] + groups[0] * (row + groups[1] * (col / groups[0]));
            let buffers = bind(program, words)?;
            let outcome = run_workgroups(program, settings, groups, number..number + 1, buffers)?;
            total.add(&outcome.counters, u64::from(rows) * u64::from(cols));
        }
    }
    Ok(total)
}

/// Returns the words in the order of the program's bindings.
fn bind<'a>(program: &ShaderProgram, words: &'a mut [Vec<u32>]) -> std::result::Result<Vec<Buffer<'a>>, String> {
    let (output, inputs) = words.split_last_mut().ok_or("no output")?;
    let mut output = Some(&mut output[..]);
    let mut buffers = Vec::new();
    for number in program.binding_numbers() {
        let words = match inputs.get(number) {
            Some(input) => Words::Read(input),
            None => Words::Write(output.take().ok_or(format!("no binding {number}"))?),
        };
        buffers.push(Buffer { words, shadow: Shadow::default() });
    }
    Ok(buffers)
}
