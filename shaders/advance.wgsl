// position[0] += 1, so that the next decode step can be queued before this one is read.
// One invocation does it.
struct Params { by: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> position: array<u32>;

@compute @workgroup_size(1)
fn main() {
    position[0] += params.by;
}
