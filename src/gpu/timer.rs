//! Time that programs take on the device: timestamps where there are some, else the wall clock.

use std::time::Instant;

use super::Gpu;
use super::adapter::Class;
use crate::error::{Error, Result};
use crate::plan::{Backend, ProgramId};

impl Gpu {
    /// Returns whether [`Gpu::time`] reads the device's own clock. A software driver's queue runs on this
    /// machine's CPU, where the wall clock says the same.
    pub fn has_timestamps(&self) -> bool {
        self.facts.timestamps && self.facts.class != Class::Software
    }

    /// Seconds for `repeats` runs of a program in one pass, from the first to the last.
    pub fn time(&mut self, program: ProgramId, repeats: usize) -> Result<f64> {
        self.flush();
        let steps = self.step_count(program);
        if !self.has_timestamps() {
            let start = Instant::now();
            for _ in 0..repeats {
                self.run(program)?;
            }
            self.wait()?;
            return Ok(start.elapsed().as_secs_f64());
        }
        let set = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let resolved = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 256,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let mut encoder = self.encoder();
        for n in 0..repeats {
            let writes = wgpu::ComputePassTimestampWrites {
                query_set: &set,
                beginning_of_pass_write_index: (n == 0).then_some(0),
                end_of_pass_write_index: (n + 1 == repeats).then_some(1),
            };
            let writes = (n == 0 || n + 1 == repeats).then_some(writes);
            self.record(&mut encoder, program, 0..steps, writes);
        }
        encoder.resolve_query_set(&set, 0..2, &resolved, 0);
        let id = self.readback.start(&self.device, &self.queue, encoder, &resolved, 0, 16);
        let words = self.finish(crate::plan::Fetch(id))?;
        let ticks: &[u64] =
            bytemuck::try_cast_slice(&words).map_err(|e| Error::DeviceLost(format!("timestamps: {e}")))?;
        Ok(ticks[1].saturating_sub(ticks[0]) as f64 * f64::from(self.queue.get_timestamp_period()) * 1e-9)
    }

    /// Waits until all work is done.
    pub fn wait(&mut self) -> Result<()> {
        self.flush();
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| Error::DeviceLost(e.to_string()))?;
        self.check()
    }
}
