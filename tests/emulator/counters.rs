//! Counters of small kernels against numbers worked out by hand.

use libtest_mimic::{Failed, Trial as Test};
use qwgpu::emulator::lab::{Selection, profile};
use qwgpu::emulator::{Buffer, Counters, EmulatorOptions, Schedule, Shadow, Words, compile, run};
use qwgpu::plan::Consts;

/// A kernel of one workgroup of 32 invocations over x, 4,096 words, and y, 4,096 words.
struct Counted {
    name: &'static str,
    /// Declarations before `main`, and its body, in which `i` is the invocation.
    declarations: &'static str,
    body: &'static str,
    /// Name and value of counters.
    expected: &'static [(&'static str, u64)],
}

static COUNTED: &[Counted] = &[
    Counted {
        name: "coalesced",
        declarations: "",
        body: "y[i] = x[i];",
        // 32 words are one line of 128 bytes, or four sectors: once for x, once for y.
        expected: &[("loads", 1), ("stores", 1), ("lines", 2), ("fewest", 2), ("sectors", 8), ("memory", 2)],
    },
    Counted {
        name: "strided_by_a_line",
        declarations: "",
        body: "y[i] = x[i * 32u];",
        // Each lane of the load has a line, and a sector, for itself.
        expected: &[("lines", 33), ("fewest", 2), ("sectors", 36), ("int", 1)],
    },
    Counted {
        name: "broadcast",
        declarations: "",
        body: "y[i] = x[7];",
        expected: &[("lines", 2), ("fewest", 2), ("sectors", 5), ("bytes", 256)],
    },
    Counted {
        name: "off_by_a_word",
        declarations: "",
        body: "y[i] = x[i + 1u];",
        // Words 1 to 32 lie in two lines and five sectors, and would fit in one line.
        expected: &[("lines", 3), ("fewest", 2), ("sectors", 9)],
    },
    Counted {
        name: "vectors",
        declarations: "",
        body: "let v = bitcast<vec4<f32>>(w[i]); y[i] = bitcast<u32>(v.x + v.y + v.z + v.w);",
        // 32 vectors of 16 bytes are four lines.
        expected: &[("loads", 1), ("lines", 5), ("fewest", 5), ("float", 3)],
    },
    Counted {
        name: "conflict_free",
        declarations: "var<workgroup> s: array<u32, 1024>;",
        body: "s[i] = i; workgroupBarrier(); y[i] = s[31u - i];",
        expected: &[("conflicts", 0), ("shared", 2), ("barriers", 1)],
    },
    Counted {
        name: "conflict_of_all_lanes",
        declarations: "var<workgroup> s: array<u32, 1024>;",
        body: "s[i * 32u] = i; workgroupBarrier(); y[i] = s[i * 32u];",
        // All lanes in bank 0: 31 cycles more, for the store and for the load.
        expected: &[("conflicts", 62), ("shared", 2), ("barriers", 1)],
    },
    Counted {
        name: "conflict_of_two",
        declarations: "var<workgroup> s: array<u32, 1024>;",
        body: "s[i * 2u] = i; workgroupBarrier(); y[i] = s[i * 2u];",
        expected: &[("conflicts", 2)],
    },
    Counted {
        name: "broadcast_of_workgroup_memory",
        declarations: "var<workgroup> s: array<u32, 1024>;",
        body: "s[i] = i; workgroupBarrier(); y[i] = s[5];",
        expected: &[("conflicts", 0), ("shared", 2)],
    },
    Counted {
        name: "half_of_the_lanes_idle",
        declarations: "",
        body: "if (i < 16u) { y[i] = x[i] * 3u; }",
        // Comparison and branch with 32 lanes; load, product and store with 16.
        expected: &[("int", 2), ("branch", 1), ("memory", 2), ("lane_operations", 112), ("lane_slots", 160)],
    },
    Counted {
        name: "a_loop_of_three_turns",
        declarations: "",
        body: "var sum = 0u; for (var n = 0u; n < 3u; n++) { sum += x[i]; } y[i] = sum;",
        // Four comparisons, three sums of each kind; a branch for each turn's test and each turn.
        expected: &[("int", 10), ("loads", 3), ("stores", 1), ("branch", 8)],
    },
    Counted {
        name: "classes",
        declarations: "",
        body: "let a = f32(x[i]) + unpack2x16float(i).x; y[i] = u32(exp(a * 0.0) + sqrt(a) + select(1.0, a, i > 3u));",
        expected: &[("convert", 2), ("widen", 2), ("special", 2), ("float", 4), ("int", 2)],
    },
    Counted {
        name: "a_loop_of_constant_length",
        declarations: "",
        body: "var a = x[i]; for (var n = 0u; n < 3u; n++) { a += n * 2u; } y[i] = a;",
        // Known are four tests, three products and three sums of n; all branches are. The sums of a are not.
        expected: &[("int", 13), ("known_int", 10), ("branch", 8), ("known_branch", 8)],
    },
    Counted {
        name: "a_loop_of_loaded_length",
        declarations: "",
        body: "var a = 0u; for (var n = 0u; n < u.x + 2u; n++) { a += n * 2u; } y[i] = a;",
        // Known is what comes before the first test or does not see it yet: the product and both sums of the first turn.
        expected: &[("int", 17), ("known_int", 3), ("branch", 8), ("known_branch", 1)],
    },
    Counted {
        name: "a_constant_loop_in_a_loop_of_loaded_length",
        declarations: "",
        body: "var a = x[i]; for (var n = 0u; n < u.x + 1u; n++) { for (var k = 0u; k < 2u; k++) { a += k; } } y[i] = a;",
        // Two outer turns: each has three tests and two sums of k that are known. The first sum of n is, too.
        expected: &[("int", 22), ("known_int", 11)],
    },
    Counted {
        name: "a_value_of_a_loaded_branch",
        declarations: "",
        body: "var a = 1u; if (x[i] > 0u) { a = 2u + a; } y[i] = a * 2u;",
        // Known is the sum within the branch, and the product after it no more.
        expected: &[("int", 3), ("known_int", 1)],
    },
    Counted {
        name: "loads_of_one_turn",
        declarations: "",
        body: "let a = x[i]; let b = x[i + 32u]; y[i] = a + b;",
        // Both are issued before the sum uses one.
        expected: &[("dependent_loads", 1), ("waits", 1), ("rereads", 0)],
    },
    Counted {
        name: "loads_in_turn",
        declarations: "",
        body: "var a = x[i] + 1u; a += x[i + 32u]; y[i] = a;",
        // The first is used before the second is issued, though the second does not need it.
        expected: &[("dependent_loads", 1), ("waits", 2)],
    },
    Counted {
        name: "a_chain_of_three_loads",
        declarations: "",
        body: "y[i] = x[x[x[i]]];",
        // All words of x are 1: the second and the third load touch the first of four sectors again.
        expected: &[("dependent_loads", 3), ("waits", 3), ("rereads", 2), ("lanes", 128)],
    },
    Counted {
        name: "a_load_under_a_condition",
        declarations: "",
        body: "var a = 0u; if (x[i] > 0u) { a = x[i + 32u]; } y[i] = a;",
        expected: &[("dependent_loads", 2), ("waits", 2)],
    },
    Counted {
        name: "a_loop_whose_end_is_loaded",
        declarations: "",
        body: "var a = 0u; for (var n = 0u; n < x[0] + 2u; n++) { a += x[n + 32u]; } y[i] = a;",
        // Four tests, three turns. Each test is a load that needs the last test, each turn's load needs its test; all are
        // used at once.
        expected: &[("dependent_loads", 4), ("waits", 7), ("rereads", 5)],
    },
    Counted {
        name: "a_chain_through_workgroup_memory",
        declarations: "var<workgroup> s: array<u32, 32>;",
        body: "s[i] = x[i]; workgroupBarrier(); y[i] = x[s[31u - i] + 64u];",
        expected: &[("dependent_loads", 2), ("waits", 2)],
    },
    Counted {
        name: "a_chain_ends_with_its_loop",
        declarations: "",
        body: "for (var n = 0u; n < x[i]; n++) {} y[i] = x[i + 32u];",
        // The loads of the two tests are a chain; what follows the loop does not need it.
        expected: &[("dependent_loads", 2), ("waits", 3)],
    },
    Counted {
        name: "read_twice",
        declarations: "",
        body: "y[i] = x[i] + x[i] + x[i + 4u];",
        // Four sectors again, then four of the five that words 4 to 35 lie in.
        expected: &[("rereads", 8), ("loads", 3)],
    },
    Counted {
        name: "uniform",
        declarations: "",
        body: "y[i] = x[i * u.x];",
        // A load of a uniform buffer is no request to storage, and nothing waits for it.
        expected: &[("uniform", 1), ("loads", 1), ("lines", 2), ("dependent_loads", 1), ("waits", 1)],
    },
    Counted {
        name: "invocations",
        declarations: "",
        body: "if (i < 16u) { y[i] = x[i]; }",
        expected: &[("workgroups", 1), ("invocations", 32), ("lanes", 32), ("stored", 64)],
    },
];

/// Returns a test for each kernel, and one of a real one.
pub fn tests() -> Vec<Test> {
    let tests = COUNTED.iter().map(|c| Test::test(format!("counters/{}", c.name), move || c.check()));
    tests.chain([Test::test("counters/lines_of_matvec_grid", lines_of_matvec_grid)]).collect()
}

/// Compares the lines that loads of x touch in matvec_grid at 4 bits: with columns dealt over neighbouring lanes, as the
/// shader has them, and with 32 neighbouring columns a lane.
fn lines_of_matvec_grid() -> Result<(), Failed> {
    const DEALT: &str = "let span = min(GROUP & (~GROUP + 1u), 4u);";
    let shader = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/matvec_grid_subgroup.wgsl"))?;
    assert!(shader.contains(DEALT), "the edit is of an older shader");
    // 52 units of 32 columns: a subgroup of 32 active lanes and one of 20, in each of 18 workgroups, eight loads each.
    let requests = 18 * 8 * 2;
    for (edited, lines) in [
        // Four neighbours read 64 bytes in a row, half a line.
        (shader.clone(), 18 * 8 * (8 + 5)),
        // Each lane's 128 bytes are a line of their own: 32 lines a request.
        (shader.replace(DEALT, "let span = 1u;"), 18 * 8 * (32 + 20)),
    ] {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("matvec_grid_subgroup.wgsl"), &edited)?;
        let selection = Selection {
            kernel: Some("matvec_grid".into()),
            variant: Some("subgroup".into()),
            case: Some("q4_70x1664_of_groups".into()),
            subgroups: vec![32],
            shaders: Some(folder.path().into()),
        };
        let profiles = profile(&selection, &mut ())?;
        let loads_x = |line: u32| edited.lines().nth(line as usize - 1).is_some_and(|text| text.contains("x[q + "));
        let of_x =
            profiles[0].by_line.iter().filter(|(file, line, _)| file == "matvec_grid_subgroup.wgsl" && loads_x(*line));
        let found = of_x.fold((0, 0), |sum, (.., counters)| (sum.0 + counters.requests, sum.1 + counters.lines));
        if found != (requests, lines) {
            return Err(format!("requests and lines: expected {:?}, found {found:?}", (requests, lines)).into());
        }
    }
    Ok(())
}

impl Counted {
    fn check(&self) -> Result<(), Failed> {
        let text = format!(
            "@group(0) @binding(0) var<storage, read> x: array<u32>;
             @group(0) @binding(1) var<storage, read> w: array<vec4<u32>>;
             @group(0) @binding(2) var<storage, read_write> y: array<u32>;
             @group(0) @binding(3) var<uniform> u: vec4<u32>;
             {}
             @compute @workgroup_size(32) fn main(@builtin(local_invocation_index) i: u32) {{ {} }}",
            self.declarations, self.body
        );
        let program = compile(&text, &Consts::default(), "main").map_err(|e| e.message)?;
        let (x, mut y) = (vec![1u32; 4096], vec![0u32; 4096]);
        let buffer = |words| Buffer { words, shadow: Shadow::default() };
        let buffers = vec![
            buffer(Words::Read(&x)),
            buffer(Words::Read(&x)),
            buffer(Words::Write(&mut y)),
            buffer(Words::Read(&x)),
        ];
        let settings =
            EmulatorOptions { sanitize: false, profile: true, ..EmulatorOptions::sanitizing(32, Schedule::Forward) };
        let counters = run(&program, settings, [1, 1, 1], buffers)?.counters;
        for (name, expected) in self.expected {
            let found = value(&counters, name);
            if found != *expected {
                return Err(format!("{name}: expected {expected}, found {found} in {counters:#?}").into());
            }
        }
        Ok(())
    }
}

fn value(counters: &Counters, name: &str) -> u64 {
    use qwgpu::emulator::InstructionClass;
    match name {
        "loads" => counters.buffers.loads,
        "stores" => counters.buffers.stores,
        "lines" => counters.buffers.lines,
        "fewest" => counters.buffers.fewest_lines,
        "sectors" => counters.buffers.sectors,
        "bytes" => counters.buffers.lane_bytes,
        "stored" => counters.buffers.stored_bytes,
        "lanes" => counters.buffers.lanes,
        "uniform" => counters.uniform.loads,
        "rereads" => counters.rereads,
        "dependent_loads" => counters.dependent_loads,
        "waits" => counters.waits,
        "workgroups" => counters.workgroups,
        "invocations" => counters.invocations,
        "shared" => counters.shared.loads + counters.shared.stores,
        "conflicts" => counters.bank_conflicts,
        "barriers" => counters.barriers,
        "lane_operations" => counters.lane_operations,
        "lane_slots" => counters.lane_slots,
        "known_int" => counters.known[InstructionClass::Int as usize],
        "known_branch" => counters.known[InstructionClass::Branch as usize],
        class => {
            let class = InstructionClass::ALL
                .iter()
                .find(|c| c.name() == class)
                .unwrap_or_else(|| panic!("no counter {class}"));
            counters.instructions[*class as usize]
        }
    }
}
