//! Cooperative matrices of both sizes against plain loops; what the emulator does not run is refused by name.

use libtest_mimic::{Failed, Trial as Test};
use qwgpu::emulator::{Buffer, DispatchResult, EmulatorOptions, Schedule, Shadow, Words, compile, run};
use qwgpu::plan::Consts;

/// Returns the tests.
pub fn tests() -> Vec<Test> {
    let product = |size: usize, half: bool, row_major: bool| {
        let name = format!(
            "matrices/{size}x{size}/{}{}",
            if half { "f16" } else { "f32" },
            if row_major { "_rows" } else { "" }
        );
        Test::test(name, move || multiplies(size, half, row_major))
    };
    let mut tests = vec![product(8, false, false), product(8, true, false), product(16, true, false)];
    tests.extend([product(8, false, true), product(16, true, true)]);
    let refused = [
        ("matrix", "let m = mat2x2<f32>(1.0, 0.0, 0.0, 1.0); y[i] = (m * vec2<f32>(f32(i), 1.0)).x;", "matrices"),
        ("f64", "y[i] = f32(f64(i) * 2.0lf);", "f64"),
    ];
    for (name, body, word) in refused {
        tests.push(Test::test(format!("matrices/refuses_{name}"), move || refuses(body, word)));
    }
    tests
}

/// Holds a * b + c, on small whole numbers, which every type holds exactly, to the sum. Two subgroups compute two blocks.
fn multiplies(size: usize, half: bool, row_major: bool) -> Result<(), Failed> {
    let (ty, enable, load) = (
        if half { "f16" } else { "f32" },
        if half { "enable f16;" } else { "" },
        if row_major { "coopLoadT" } else { "coopLoad" },
    );
    let (mat, stride, store) =
        (format!("coop_mat{size}x{size}"), size + 4, if row_major { "coopStoreT" } else { "coopStore" });
    let text = format!(
        "{enable} enable wgpu_cooperative_matrix;
         @group(0) @binding(0) var<storage, read> x: array<f32>;
         @group(0) @binding(1) var<storage, read_write> y: array<f32>;
         var<workgroup> a: array<{ty}, 1024>;
         var<workgroup> b: array<{ty}, 1024>;
         @compute @workgroup_size(64)
         fn main(@builtin(local_invocation_index) i: u32, @builtin(subgroup_id) block: u32) {{
             for (var at = i; at < 1024u; at += 64u) {{ a[at] = {ty}(x[at]); b[at] = {ty}(x[at + 1024u]); }}
             workgroupBarrier();
             let first = block * 512u;
             let left = {load}<{mat}<{ty}, A>>(&a[first], {stride}u);
             let right = {load}<{mat}<{ty}, B>>(&b[first], {stride}u);
             let sum = {load}<{mat}<f32, C>>(&x[2048u + first], {stride}u);
             {store}(coopMultiplyAdd(left, right, sum), &y[first], {stride}u);
         }}"
    );
    let program = compile(&text, &Consts::default(), "main").map_err(|e| format!("{e:?}"))?;
    let values: Vec<f32> = (0..3072).map(|n| ((n * 7 + n / 13) % 9) as f32 - 4.0).collect();
    let (x, mut y): (Vec<u32>, _) = (values.iter().map(|v| v.to_bits()).collect(), vec![0u32; 1024]);
    let buffers = vec![
        Buffer { words: Words::Read(&x), shadow: Shadow::default() },
        Buffer { words: Words::Write(&mut y), shadow: Shadow::new(4096, 4) },
    ];
    let DispatchResult { findings, counters, .. } =
        run(&program, EmulatorOptions::sanitizing(32, Schedule::Forward), [1, 1, 1], buffers)?;
    let products = counters.instructions[qwgpu::emulator::InstructionClass::Matrix as usize];
    let multiply_adds = counters.multiply_adds;
    if !findings.all.is_empty() || products != 2 || multiply_adds != 2 * (size as u64).pow(3) {
        return Err(format!("{products} products, {multiply_adds} multiply-adds, {:?}", findings.all).into());
    }
    let at = |i: usize, j: usize| if row_major { i * stride + j } else { j * stride + i };
    for (from, i, j) in (0..2 * size * size).map(|n| (n / size / size * 512, n / size % size, n % size)) {
        let product = |k| values[from + at(i, k)] * values[1024 + from + at(k, j)];
        let expected = values[2048 + from + at(i, j)] + (0..size).map(product).sum::<f32>();
        let found = f32::from_bits(y[from + at(i, j)]);
        if found != expected {
            return Err(format!("block {from}, [{i}, {j}]: expected {expected}, found {found}").into());
        }
    }
    Ok(())
}

fn refuses(body: &str, word: &str) -> Result<(), Failed> {
    let text = format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(32)
fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}"
    );
    match compile(&text, &Consts::default(), "main") {
        Err(error) if error.message.contains(word) && error.line == 3 => Ok(()),
        other => Err(format!("expected a message with {word} on line 3, found {:?}", other.err()).into()),
    }
}
