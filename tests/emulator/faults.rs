//! Planted faults: an edited copy of a shader, and where its fault must be found.

use libtest_mimic::{Failed, Trial as Test};
use qwgpu::emulator::lab::{Selection, sanitize};

use crate::orders::ORDERS;

/// An edit of a shader that makes it wrong.
pub struct Planted {
    pub name: &'static str,
    /// Kernel, variant, case.
    pub on: [&'static str; 3],
    pub file: &'static str,
    /// Text of the file, of which the first occurrence is replaced, and what comes in its place.
    pub edits: &'static [(&'static str, &'static str)],
    pub kind: &'static str,
    /// Text of the line where the fault must be found, in this file.
    pub at: (&'static str, &'static str),
    pub subgroup: usize,
}

const NORM: [&str; 3] = ["rms_norm", "portable", "last_of_5x100"];
const REDUCE: &str = "lib/reduce";
const HESSIAN: [&str; 3] = ["hessian", "portable", ""];
const TILE_PRODUCT: &str = "lib/tile_product";

static PLANTED: &[Planted] = &[
    Planted {
        name: "barrier_before_a_reduction_removed",
        on: NORM,
        file: REDUCE,
        edits: &[("    reduce_words[lane] = value;\n    workgroupBarrier();\n", "    reduce_words[lane] = value;\n")],
        kind: "data-race",
        at: (REDUCE, "reduce_words[lane] += reduce_words[lane + half];"),
        subgroup: 32,
    },
    Planted {
        name: "barrier_within_a_reduction_removed",
        on: NORM,
        file: REDUCE,
        edits: &[("        }\n        workgroupBarrier();\n", "        }\n")],
        kind: "data-race",
        at: (REDUCE, "reduce_words[lane] += reduce_words[lane + half];"),
        subgroup: 32,
    },
    Planted {
        name: "barrier_between_two_reductions_removed",
        on: ["token_nll", "portable", ""],
        file: REDUCE,
        edits: &[
            (
                "    let total = reduce_words[0];\n    workgroupBarrier();\n    return total;\n}\n\nfn workgroup_max",
                "    let total = reduce_words[0];\n    return total;\n}\n\nfn workgroup_max",
            ),
            (
                "    let total = reduce_words[0];\n    workgroupBarrier();\n    return total;\n}\n",
                "    let total = reduce_words[0];\n    return total;\n}\n",
            ),
        ],
        kind: "data-race",
        at: (REDUCE, "reduce_words[lane] = value;"),
        subgroup: 32,
    },
    Planted {
        name: "barrier_moved_into_an_if",
        on: NORM,
        file: REDUCE,
        edits: &[(
            "            reduce_words[lane] += reduce_words[lane + half];\n        }\n        workgroupBarrier();",
            "            reduce_words[lane] += reduce_words[lane + half];\n            workgroupBarrier(); // moved\n        }",
        )],
        kind: "divergent-barrier",
        at: (REDUCE, "workgroupBarrier(); // moved"),
        subgroup: 32,
    },
    Planted {
        name: "barrier_of_the_wrong_kind",
        on: NORM,
        file: REDUCE,
        edits: &[(
            "    reduce_words[lane] = value;\n    workgroupBarrier();",
            "    reduce_words[lane] = value;\n    storageBarrier();",
        )],
        kind: "data-race",
        at: (REDUCE, "reduce_words[lane] += reduce_words[lane + half];"),
        subgroup: 32,
    },
    Planted {
        name: "an_invocation_returns_before_a_barrier",
        on: NORM,
        file: "rms_norm",
        edits: &[("    var squares = 0.0;", "    if lane == 5u { return; }\n    var squares = 0.0;")],
        kind: "divergent-barrier",
        at: (REDUCE, "workgroupBarrier();"),
        subgroup: 32,
    },
    Planted {
        name: "one_beyond_the_end_of_a_row",
        on: NORM,
        file: "rms_norm",
        edits: &[("c < params.cols; c += WG) {\n        y[", "c <= params.cols; c += WG) {\n        y[")],
        kind: "out-of-bounds",
        at: ("rms_norm", "y[to_row + c] ="),
        subgroup: 32,
    },
    Planted {
        name: "one_before_the_first_row",
        on: ["argmax", "portable", ""],
        file: "argmax",
        edits: &[("vec4(x[row + at.x],", "vec4(x[row + at.x - 1u],")],
        kind: "out-of-bounds",
        at: ("argmax", "x[row + at.x - 1u],"),
        subgroup: 32,
    },
    Planted {
        name: "a_cell_of_workgroup_memory_not_written",
        on: ["argmax", "portable", ""],
        file: "argmax",
        edits: &[("    candidates[lane] = own;", "    if lane != 3u { candidates[lane] = own; }")],
        kind: "uninitialized",
        at: ("argmax", "candidates[lane] = better("),
        subgroup: 32,
    },
    Planted {
        name: "two_invocations_write_one_result",
        on: ["argmax", "portable", ""],
        file: "argmax",
        edits: &[("if lane == 0u { y", "if lane < 2u { y")],
        kind: "data-race",
        at: ("argmax", "y[group.y] = best.y;"),
        subgroup: 32,
    },
    Planted {
        name: "two_invocations_write_one_key",
        on: ["kv_write", "portable", ""],
        file: "kv_write",
        edits: &[("params.cols + c] =", "params.cols + c / 2u] =")],
        kind: "data-race",
        at: ("kv_write", "cache[slot[group.y]"),
        subgroup: 32,
    },
    Planted {
        name: "workgroups_write_one_place",
        on: ["kv_write", "portable", ""],
        file: "kv_write",
        edits: &[("cache[slot[group.y] * params.cols + c] =", "cache[lane] =")],
        kind: "data-race",
        at: ("kv_write", "cache[lane] ="),
        subgroup: 32,
    },
    Planted {
        name: "a_shuffle_beyond_the_subgroup",
        on: ["attention_decode", "rows_subgroup", ""],
        file: "attention_decode_rows_subgroup",
        edits: &[(
            "let two = max(value, subgroupShuffleXor(value, 1u));",
            "let two = max(value, subgroupShuffleXor(value, 8u));",
        )],
        kind: "inactive-lane",
        at: ("attention_decode_rows_subgroup", "subgroupShuffleXor(value, 8u)"),
        subgroup: 32,
    },
    Planted {
        name: "subgroup_operation_in_divergent_flow",
        on: ["matvec_grid", "subgroup", ""],
        file: "lib/matvec_subgroup",
        edits: &[
            ("var whole = vec4(subgroupAdd", "var whole: vec4<f32>;\n    if (at.lane < 5u) { whole = vec4(subgroupAdd"),
            ("subgroupAdd(own.y), 0.0, 0.0);", "subgroupAdd(own.y), 0.0, 0.0); }"),
        ],
        kind: "divergent-subgroup",
        at: ("lib/matvec_subgroup", "whole = vec4(subgroupAdd"),
        subgroup: 32,
    },
    Planted {
        name: "subgroup_id_from_the_local_index",
        on: ["matvec_grid", "subgroup", ""],
        file: "lib/matvec_subgroup",
        edits: &[
            ("@builtin(subgroup_id) subgroup: u32,", "@builtin(local_invocation_index) index: u32,"),
            ("    let m = group.y * BATCH;\n", "    let m = group.y * BATCH;\n    let subgroup = index / lanes;\n"),
        ],
        kind: "order-dependent",
        at: ("lib/matvec_subgroup", "of_row += partial["),
        subgroup: 32,
    },
    Planted {
        // Lanes stride over whole subgroups of 128, and a workgroup has 64.
        name: "a_workgroup_taken_for_a_larger_subgroup",
        on: ["matvec_spqr", "subgroup", "q4_16x96_all_outliers"],
        file: "matvec_spqr_subgroup",
        edits: &[("four += WG)", "four += max(WG, 128u))")],
        kind: "wrong-result",
        // The first line of what is compiled: every store is in its place.
        at: ("lib/matvec_subgroup", "// y[m, n] = sum_k"),
        subgroup: 128,
    },
    Planted {
        name: "a_loop_without_end",
        on: ["copy", "portable", ""],
        file: "copy",
        edits: &[("n < PER_LANE; n++", "n < PER_LANE; n += 0u")],
        kind: "endless-loop",
        at: ("copy", "for (var n = 0u;"),
        subgroup: 32,
    },
    Planted {
        name: "a_division_by_zero",
        on: ["attention_decode", "portable", ""],
        file: "lib/attention_split",
        edits: &[("head0 / (params.heads / params.kv_heads)", "head0 / (params.heads - params.heads)")],
        kind: "division-by-zero",
        at: ("lib/attention_split", "let kv_head = head0 / (params.heads - params.heads)"),
        subgroup: 32,
    },
    Planted {
        name: "a_shift_by_the_width",
        on: ["random_bf16", "portable", ""],
        file: "random_bf16",
        edits: &[(">> 16u", ">> (value - value + 32u)")],
        kind: "wide-shift",
        at: ("random_bf16", ">> (value - value + 32u)"),
        subgroup: 32,
    },
    Planted {
        name: "an_infinity_from_finite_values",
        on: ["silu_mul", "portable", ""],
        file: "silu_mul",
        edits: &[("y[at] = g /", "y[at] = 1.0 / (g - g) + g /")],
        kind: "not-finite",
        at: ("silu_mul", "y[at] = 1.0 / (g - g)"),
        subgroup: 32,
    },
    Planted {
        name: "an_f16_that_overflows",
        on: ["matmul_bf16", "coop", ""],
        file: "lib/tile_coop",
        edits: &[("x_tile[at / 4u] = vec4<f16>(quad);", "x_tile[at / 4u] = vec4<f16>(quad * 1.0e6);")],
        kind: "f16-overflow",
        at: ("lib/tile_coop", "= vec4<f16>(quad * 1.0e6);"),
        subgroup: 32,
    },
    Planted {
        name: "an_index_beyond_an_array_of_registers",
        on: ["attention_decode", "rows_subgroup", ""],
        file: "attention_decode_rows_subgroup",
        edits: &[("h < HEADS; h++) { highest[h]", "h <= 8u; h++) { highest[h]")],
        kind: "out-of-bounds",
        at: ("attention_decode_rows_subgroup", "{ highest[h] = -3.0e38; }"),
        subgroup: 32,
    },
    Planted {
        name: "a_tile_overwritten_while_others_read_it",
        on: HESSIAN,
        file: TILE_PRODUCT,
        edits: &[("        }\n        workgroupBarrier();\n    }\n", "        }\n    }\n")],
        kind: "data-race",
        at: (TILE_PRODUCT, "left[at] = loaded.x;"),
        subgroup: 32,
    },
    Planted {
        name: "a_tile_shifted_by_one",
        on: HESSIAN,
        file: TILE_PRODUCT,
        edits: &[("left[at + 256u] =", "left[at + 257u] =")],
        kind: "out-of-bounds",
        at: (TILE_PRODUCT, "left[at + 257u] ="),
        subgroup: 32,
    },
];

/// Returns a test for each planted fault.
pub fn tests() -> Vec<Test> {
    PLANTED
        .iter()
        .chain(ORDERS)
        .map(|planted| Test::test(format!("planted/{}", planted.name), move || planted.is_found()))
        .collect()
}

impl Planted {
    fn is_found(&self) -> Result<(), Failed> {
        let folder = tempfile::tempdir()?;
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/");
        let mut text = std::fs::read_to_string(format!("{root}{}.wgsl", self.file))?;
        for (before, after) in self.edits {
            if !text.contains(before) {
                return Err(format!("{} has no {before:?}", self.file).into());
            }
            text = text.replacen(before, after, 1);
        }
        let path = folder.path().join(format!("{}.wgsl", self.file));
        std::fs::create_dir_all(path.parent().ok_or("a folder")?)?;
        std::fs::write(&path, &text)?;
        let [kernel, variant, case] = self.on;
        let selection = Selection {
            kernel: Some(kernel.into()),
            variant: Some(variant.into()),
            case: (!case.is_empty()).then(|| case.into()),
            subgroups: vec![self.subgroup],
            shaders: Some(folder.path().into()),
        };
        let faults = sanitize(&selection, &mut ())?;
        let (file, snippet) = self.at;
        let edited = if file == self.file { text } else { std::fs::read_to_string(format!("{root}{file}.wgsl"))? };
        let lines: Vec<u32> =
            (1..).zip(edited.lines()).filter(|(_, line)| line.contains(snippet)).map(|(number, _)| number).collect();
        let file = format!("{file}.wgsl");
        let found = faults.iter().any(|f| f.kind == self.kind && f.file == file && lines.contains(&f.line));
        if found {
            Ok(())
        } else {
            Err(format!("expected {} at {file}:{lines:?}, found {faults:#?}", self.kind).into())
        }
    }
}
