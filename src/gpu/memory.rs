//! Device buffers: creation with checks, staged writes, read-backs that do not wait.

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Duration;

use crate::error::{Error, Result};

/// Bytes a buffer takes for so many wanted: shaders bind vectors of 16 bytes.
pub fn padded(bytes: u64) -> u64 {
    bytes.max(16).next_multiple_of(16)
}

/// A storage buffer, zeroed at first use.
///
/// # Errors
/// [`Error::OutOfMemory`] if it is above the device's limits or the allocation fails.
pub fn storage(device: &wgpu::Device, what: &str, bytes: u64) -> Result<wgpu::Buffer> {
    let out_of_memory = |limit: String| Error::OutOfMemory {
        what: what.to_owned(),
        bytes,
        limit,
        fix: "take a smaller model, a shorter `context` or an adapter with more memory".into(),
    };
    let limits = device.limits();
    let limit = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
    if padded(bytes) > limit {
        return Err(out_of_memory(format!("one buffer may have {limit}")));
    }
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(what),
        size: padded(bytes),
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let failed = pollster::block_on(memory.pop()).or(pollster::block_on(validation.pop()));
    match failed {
        Some(error) => Err(out_of_memory(format!("the driver refused ({error})"))),
        None => Ok(buffer),
    }
}

/// Read-backs under way, and the mapped buffers they reuse.
#[derive(Default)]
pub struct Readback {
    free: Vec<wgpu::Buffer>,
    pending: HashMap<u64, Pending>,
    next: u64,
}

struct Pending {
    buffer: wgpu::Buffer,
    bytes: u64,
    mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
    submission: wgpu::SubmissionIndex,
}

impl Readback {
    /// Copies part of `source` after all that `encoder` holds, and submits it.
    pub fn start(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        mut encoder: wgpu::CommandEncoder,
        source: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
    ) -> u64 {
        let fits = self.free.iter().position(|b| b.size() >= bytes && b.size() <= 4 * bytes.max(256));
        let buffer = match fits {
            Some(at) => self.free.swap_remove(at),
            None => device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("read-back"),
                size: bytes.next_multiple_of(256),
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            }),
        };
        encoder.copy_buffer_to_buffer(source, offset, &buffer, 0, bytes);
        let (send, mapped) = mpsc::channel();
        encoder.map_buffer_on_submit(&buffer, wgpu::MapMode::Read, 0..bytes, move |result| {
            // The receiver is gone only if the whole engine is.
            let _ = send.send(result);
        });
        let submission = queue.submit([encoder.finish()]);
        self.next += 1;
        self.pending.insert(self.next, Pending { buffer, bytes, mapped, submission });
        self.next
    }

    /// Waits for a read-back.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if it takes longer than `limit` or cannot be mapped.
    pub fn finish(&mut self, device: &wgpu::Device, id: u64, limit: Duration) -> Result<Vec<u32>> {
        let Pending { buffer, bytes, mapped, submission } =
            self.pending.remove(&id).expect("a read-back is finished once");
        device
            .poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(limit) })
            .map_err(|e| Error::DeviceLost(format!("no answer within {} s ({e})", limit.as_secs())))?;
        let result = mapped.recv().map_err(|e| Error::DeviceLost(e.to_string()))?;
        result.map_err(|e| Error::DeviceLost(e.to_string()))?;
        let view = buffer.get_mapped_range(0..bytes).map_err(|e| Error::DeviceLost(e.to_string()))?;
        let words = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        buffer.unmap();
        self.free.push(buffer);
        Ok(words)
    }
}
