//! `workgroupUniformLoad` has a barrier before the load and one after it.

use libtest_mimic::{Failed, Trial as Test};
use qwgpu::emulator::{Buffer, DispatchResult, EmulatorOptions, Schedule, Shadow, Words, compile, run};
use qwgpu::plan::Consts;

/// Bodies of a kernel of 64 invocations over workgroup memory `s` and the buffer y: name, body, and the kinds of faults,
/// with the number of barriers that were passed.
const BODIES: [(&str, &str, &str, u64); 4] = [
    ("orders_what_follows", "if i == 63u { s = 7u; } y[i] = workgroupUniformLoad(&s); if i == 9u { s = 8u; }", "[]", 2),
    ("a_plain_load_is_none", "if i == 63u { s = 7u; } y[i] = s;", "[DataRace]", 0),
    (
        "is_reached_by_all",
        "if i == 3u { s = 7u; } if i < 32u { y[i] = workgroupUniformLoad(&s); }",
        "[DivergentBarrier]",
        2,
    ),
    ("loads_atomics", "atomicAdd(&count, 1u); y[i] = workgroupUniformLoad(&count) - 57u;", "[]", 2),
];

/// Returns the tests.
pub fn tests() -> Vec<Test> {
    let test = |(name, body, faults, barriers): (&'static str, &'static str, &'static str, u64)| {
        Test::test(format!("uniform_load/{name}"), move || check(body, faults, barriers))
    };
    BODIES.into_iter().map(test).collect()
}

fn check(body: &str, expected: &str, barriers: u64) -> Result<(), Failed> {
    let text = format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<u32>;
         var<workgroup> s: u32;
         var<workgroup> count: atomic<u32>;
         @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {{
             if i == 0u {{ atomicStore(&count, 0u); }}
             {body}
         }}"
    );
    // The first line's store of the counter and its updates are atomic, so that they need no barrier.
    let program = compile(&text, &Consts::default(), "main").map_err(|e| format!("{e:?}"))?;
    let mut y = vec![0; 64];
    let buffers = vec![Buffer { words: Words::Write(&mut y), shadow: Shadow::new(256, 4) }];
    let DispatchResult { findings, counters, .. } =
        run(&program, EmulatorOptions::sanitizing(32, Schedule::Forward), [1, 1, 1], buffers)?;
    let found = format!("{:?}", findings.all.iter().map(|finding| finding.kind).collect::<Vec<_>>());
    match found == expected && counters.barriers == barriers {
        _ if y[0] != 7 => Err(format!("y[0] is {}", y[0]).into()),
        true => Ok(()),
        false => Err(format!("{} barriers, {:?}", counters.barriers, findings.all).into()),
    }
}
