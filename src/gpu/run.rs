//! Plans on the GPU: bound once, dispatched as often as needed.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::pipeline::Pipeline;
use super::{Gpu, memory};
use crate::error::Result;
use crate::plan::dispatch::dispatches;
use crate::plan::schedule::{self, Slots};
use crate::plan::{Backend, Element, Fetch, Kernel, Place, Plan, ProgramId, Step, Tensor};

/// Operations after which recorded work is submitted, so that no submission comes near a driver's
/// watchdog: a tenth of a second on an adapter of 200 GFLOP/s.
const SUBMIT_COST: u64 = 20_000_000_000;
/// Longest time of a read-back. Work waited for is at most a prefill chunk, seconds on the slowest
/// software driver.
const PATIENCE: Duration = Duration::from_secs(300);

/// A plan bound to memory.
pub(super) struct BoundPlan {
    steps: Vec<Bound>,
    slots: Slots,
    /// A buffer for each slot: the plan's own, or those that were shared when it was bound.
    buffers: Vec<wgpu::Buffer>,
}

struct Bound {
    pipeline: Arc<Pipeline>,
    bindings: wgpu::BindGroup,
    /// Of each entry point.
    groups: Vec<[u32; 3]>,
    cost: u64,
}

impl Gpu {
    fn program(&self, program: ProgramId) -> &BoundPlan {
        self.programs[program.0].as_ref().expect("a released program")
    }

    fn buffer(&self, program: Option<ProgramId>, tensor: Tensor) -> &wgpu::Buffer {
        match tensor.place {
            Place::Resident(r) => &self.residents[r as usize],
            Place::Scratch(s) => {
                let program = self.program(program.expect("scratch belongs to a program"));
                &program.buffers[program.slots.of[s as usize]]
            }
        }
    }

    /// Parameters of all steps in one uniform buffer, and how far apart: the device's alignment or more.
    fn params(&self, plan: &Plan) -> (wgpu::Buffer, u64) {
        let alignment = u64::from(self.device.limits().min_uniform_buffer_offset_alignment);
        let largest = plan.steps.iter().map(|step| step.params.len() as u64).max();
        let alignment = largest.unwrap_or(1).next_multiple_of(alignment);
        let size = plan.steps.len().max(1) as u64 * alignment;
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut bytes = vec![0u8; size as usize];
        for (step, slot) in plan.steps.iter().zip(bytes.chunks_exact_mut(alignment as usize)) {
            slot[..step.params.len()].copy_from_slice(&step.params);
        }
        self.queue.write_buffer(&buffer, 0, &bytes);
        (buffer, alignment)
    }

    /// Scratch memory for these slots, grown where an earlier program needed less.
    fn provide(&mut self, slots: &Slots) -> Result<()> {
        for (number, &bytes) in slots.bytes.iter().enumerate() {
            let large_enough = self.slots.get(number).is_some_and(|b| b.size() >= bytes);
            if !large_enough {
                let buffer = memory::storage(&self.device, "scratch", bytes)?;
                match self.slots.get_mut(number) {
                    // Programs bound to the smaller buffer keep it alive until they are released.
                    Some(old) => *old = buffer,
                    None => self.slots.push(buffer),
                }
            }
        }
        Ok(())
    }

    /// Submits what is recorded.
    pub(super) fn flush(&mut self) {
        if let Some(encoder) = self.recorded.take() {
            self.queue.submit([encoder.finish()]);
            self.recorded_cost = 0;
        }
    }

    pub(super) fn encoder(&mut self) -> wgpu::CommandEncoder {
        self.recorded.take().unwrap_or_else(|| self.device.create_command_encoder(&Default::default()))
    }

    /// Records some steps of a program in one pass.
    pub(super) fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        program: ProgramId,
        steps: Range<usize>,
        timestamps: Option<wgpu::ComputePassTimestampWrites>,
    ) {
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: timestamps });
        for step in &self.program(program).steps[steps] {
            pass.set_bind_group(0, &step.bindings, &[]);
            for (entry, [x, y, z]) in step.pipeline.entries.iter().zip(&step.groups) {
                pass.set_pipeline(entry);
                pass.dispatch_workgroups(*x, *y, *z);
            }
        }
    }

    pub(super) fn step_count(&self, program: ProgramId) -> usize {
        self.program(program).steps.len()
    }
}

impl Backend for Gpu {
    fn create(&mut self, name: &str, rows: usize, cols: usize, element: Element) -> Result<Tensor> {
        let place = Place::Resident(self.residents.len() as u32);
        let tensor = Tensor { place, rows, cols, element };
        let buffer = memory::storage(&self.device, name, tensor.bytes())?;
        self.residents.push(buffer);
        Ok(tensor)
    }

    fn max_tensor_bytes(&self) -> u64 {
        self.facts.max_binding.min(self.facts.max_buffer) / 256 * 256
    }

    fn tolerance(&self, kernel: &'static Kernel) -> f64 {
        self.variant(kernel).0.nmse
    }

    fn is_host(&self) -> bool {
        self.facts.class == super::Class::Software
    }

    fn fuses(&self) -> bool {
        !self.is_host()
    }

    fn residents(&self) -> usize {
        self.residents.len()
    }

    fn keep_residents(&mut self, kept: usize) {
        self.flush();
        self.residents.truncate(kept);
    }

    fn prepare(&mut self, plan: &Plan, keep: bool) -> Result<ProgramId> {
        let mut slots = schedule::assign(plan, keep);
        // One slot for the parts of all steps that are split.
        let parts = |step: &Step| u64::from(self.specialized(step).1.splits()) * step.part_words as u64 * 4;
        slots.bytes.extend(plan.steps.iter().map(parts).max().filter(|&bytes| bytes > 0));
        let buffers = if keep {
            let make = |&bytes| memory::storage(&self.device, "scratch", bytes);
            slots.bytes.iter().map(make).collect::<Result<Vec<_>>>()?
        } else {
            self.provide(&slots)?;
            self.slots[..slots.bytes.len()].to_vec()
        };
        let (params, alignment) = self.params(plan);
        let id = self.programs.iter().position(Option::is_none).unwrap_or_else(|| {
            self.programs.push(None);
            self.programs.len() - 1
        });
        // In place before its steps, so that their bindings find the scratch buffers.
        self.programs[id] = Some(BoundPlan { steps: Vec::new(), slots, buffers });
        let mut steps = Vec::with_capacity(plan.steps.len());
        for (number, step) in plan.steps.iter().enumerate() {
            let pipeline = self.pipeline(step)?;
            let whole =
                |buffer, offset, size| wgpu::BufferBinding { buffer, offset, size: std::num::NonZero::new(size) };
            let mut entries = vec![wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(whole(
                    &params,
                    number as u64 * alignment,
                    step.params.len() as u64,
                )),
            }];
            let mut bound: Vec<(&wgpu::Buffer, u64)> =
                step.bind.iter().map(|t| (self.buffer(Some(ProgramId(id)), *t), t.bytes())).collect();
            if pipeline.consts.splits() > 0 {
                let program = self.program(ProgramId(id));
                let last = program.slots.bytes.len() - 1;
                bound.push((&program.buffers[last], program.slots.bytes[last]));
            }
            for (at, (buffer, bytes)) in bound.into_iter().enumerate() {
                let size = memory::padded(bytes).min(buffer.size());
                entries.push(wgpu::BindGroupEntry {
                    binding: at as u32 + 1,
                    resource: wgpu::BindingResource::Buffer(whole(buffer, 0, size)),
                });
            }
            let bindings = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.layout,
                entries: &entries,
            });
            let dispatches = dispatches(step.kernel, pipeline.variant, &pipeline.consts, step.cells);
            let groups: Vec<_> = dispatches.into_iter().map(|(_, groups)| groups).collect();
            let counts = pipeline.folds || pipeline.entries.len() > 1 || groups[0][2] == 1;
            assert!(counts, "{}: {:?} cells fold, and its shader has no num_workgroups", step.kernel.name, step.cells);
            steps.push(Bound { pipeline, bindings, groups, cost: step.flops + step.bytes });
        }
        if let Some(program) = &mut self.programs[id] {
            program.steps = steps;
        }
        self.check()?;
        Ok(ProgramId(id))
    }

    fn release(&mut self, program: ProgramId) {
        self.programs[program.0] = None;
    }

    fn run_steps(&mut self, program: ProgramId, steps: Range<usize>) -> Result<()> {
        let end = steps.end.min(self.step_count(program));
        let mut first = steps.start;
        while first < end {
            // As many steps as fit one submission, and at least one.
            let mut last = first;
            while last < end && (last == first || self.recorded_cost < SUBMIT_COST) {
                self.recorded_cost += self.program(program).steps[last].cost;
                last += 1;
            }
            let mut encoder = self.encoder();
            self.record(&mut encoder, program, first..last, None);
            self.recorded = Some(encoder);
            if self.recorded_cost >= SUBMIT_COST {
                self.flush();
            }
            first = last;
        }
        Ok(())
    }

    fn write(&mut self, program: Option<ProgramId>, tensor: Tensor, first_word: usize, words: &[u32]) -> Result<()> {
        // Writes go before the next submission, so what is recorded must go first.
        self.flush();
        const CHUNK: usize = 1 << 18;
        for (number, chunk) in words.chunks(CHUNK).enumerate() {
            let offset = (first_word + number * CHUNK) as u64 * 4;
            self.queue.write_buffer(self.buffer(program, tensor), offset, bytemuck::cast_slice(chunk));
            if chunk.len() == CHUNK {
                // Lets the staging memory be used again; large writes are three to five times faster so.
                self.queue.submit([]);
            }
        }
        self.check()
    }

    fn fetch(&mut self, program: Option<ProgramId>, tensor: Tensor, first_word: usize, words: usize) -> Result<Fetch> {
        let encoder = self.encoder();
        self.recorded_cost = 0;
        let source = self.buffer(program, tensor).clone();
        let (offset, bytes) = (first_word as u64 * 4, words as u64 * 4);
        let id = self.readback.start(&self.device, &self.queue, encoder, &source, offset, bytes);
        Ok(Fetch(id))
    }

    fn finish(&mut self, fetch: Fetch) -> Result<Vec<u32>> {
        self.flush();
        let words = self.readback.finish(&self.device, fetch.0, PATIENCE);
        self.check()?;
        words
    }

    fn memory(&self) -> (u64, u64) {
        let residents = self.residents.iter().map(wgpu::Buffer::size).sum();
        (residents, self.slots.iter().map(wgpu::Buffer::size).sum())
    }
}
