//! Quantized folders that must be refused: one linear `p` of [64, 64] each, spoiled in one way.

use std::path::Path;

use qwgpu::Result;
use qwgpu::checkpoint::Checkpoint;
use qwgpu::formats::file::{Quantization, read};
use serde_json::{Value, json};

use crate::sample::safetensors;
use crate::{Case, Files, case};

const FILE: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const SIZE: usize = 64;

/// Reads the linear, as a model would.
pub fn open_and_read(folder: &Path) -> Result<()> {
    let checkpoint = Checkpoint::open(folder)?;
    let Some(quantization) = Quantization::of(&checkpoint)? else { return Ok(()) };
    read(&checkpoint, "p", SIZE, SIZE, &quantization).map(drop)
}

struct Tensor {
    name: &'static str,
    dtype: &'static str,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

struct Folder {
    config: Value,
    tensors: Vec<Tensor>,
}

fn tensor(name: &'static str, dtype: &'static str, shape: &[usize], bytes: Vec<u8>) -> Tensor {
    Tensor { name, dtype, shape: shape.to_vec(), bytes }
}

fn i32s(values: impl IntoIterator<Item = i32>) -> Vec<u8> {
    values.into_iter().flat_map(i32::to_le_bytes).collect()
}

fn u16s(values: impl IntoIterator<Item = u16>) -> Vec<u8> {
    values.into_iter().flat_map(u16::to_le_bytes).collect()
}

/// 1 as F16.
const ONE: u16 = 0x3c00;

fn gptq() -> Folder {
    Folder {
        config: json!({
            "quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": true, "sym": true,
            "checkpoint_format": "gptq",
        }),
        tensors: vec![
            tensor("qweight", "I32", &[8, SIZE], vec![0x5a; 8 * SIZE * 4]),
            tensor("qzeros", "I32", &[2, 8], vec![0x77; 2 * 8 * 4]),
            tensor("scales", "F16", &[2, SIZE], u16s([ONE; 2 * SIZE])),
            tensor("g_idx", "I32", &[SIZE], i32s((0..64).map(|k| k / 32))),
        ],
    }
}

fn awq() -> Folder {
    Folder {
        config: json!({
            "quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "gemm",
            "modules_to_not_convert": null,
        }),
        tensors: vec![
            tensor("qweight", "I32", &[SIZE, 8], vec![0x5a; SIZE * 8 * 4]),
            tensor("qzeros", "I32", &[2, 8], vec![0x77; 2 * 8 * 4]),
            tensor("scales", "F16", &[2, SIZE], u16s([ONE; 2 * SIZE])),
        ],
    }
}

/// Groups of whole rows.
fn awq_of_rows() -> Files {
    let mut folder = awq();
    folder.tensors[1] = tensor("qzeros", "I32", &[1, 8], vec![0x77; 8 * 4]);
    folder.tensors[2] = tensor("scales", "F16", &[1, SIZE], u16s([ONE; SIZE]));
    folder.config("group_size", (-1).into())
}

fn int8() -> Folder {
    Folder {
        config: json!({"quant_method": "bitsandbytes", "load_in_8bit": true, "llm_int8_threshold": 6.0}),
        tensors: vec![
            tensor("weight", "I8", &[SIZE, SIZE], vec![7; SIZE * SIZE]),
            tensor("SCB", "F32", &[SIZE], 1f32.to_le_bytes().repeat(SIZE)),
            tensor("weight_format", "U8", &[], vec![0]),
        ],
    }
}

/// Row 0 has outliers in columns 3 and 5, row 1 in column 5.
fn spqr() -> Folder {
    Folder {
        config: json!({
            "quant_method": "spqr", "variant": "qwgpu-1", "bits": 3, "group_size": 16, "stat_group": 16,
            "scale_bits": 3, "zero_bits": 3, "outlier_semantics": "add",
        }),
        tensors: vec![
            tensor("spqr_q", "U32", &[SIZE, 6], vec![0x5a; SIZE * 6 * 4]),
            tensor("spqr_sc", "U8", &[4, SIZE], vec![5; 4 * SIZE]),
            tensor("spqr_zc", "U8", &[4, SIZE], vec![3; 4 * SIZE]),
            tensor("spqr_s2", "F16", &[4, 4, 4], u16s([ONE; 64])),
            tensor("spqr_rows", "U32", &[SIZE + 1], i32s([0, 2].into_iter().chain([3; SIZE - 1]))),
            tensor("spqr_cols", "U16", &[3], u16s([3, 5, 5])),
            tensor("spqr_vals", "F16", &[3], u16s([ONE; 3])),
            tensor("spqr_perm", "U16", &[SIZE], u16s((0..64).rev())),
        ],
    }
}

impl Folder {
    fn files(&self) -> Files {
        let (mut header, mut data) = (Vec::new(), Vec::new());
        for tensor in &self.tensors {
            let begin = data.len();
            data.extend(&tensor.bytes);
            let entry = json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, data.len()]});
            header.push(format!("\"p.{}\":{entry}", tensor.name));
        }
        let config = json!({"model_type": "qwen2", "quantization_config": self.config});
        vec![
            (CONFIG.to_owned(), config.to_string().into_bytes()),
            ("tokenizer.json".to_owned(), b"{}".to_vec()),
            (FILE.to_owned(), safetensors(format!("{{{}}}", header.join(",")), &data)),
        ]
    }

    fn config(mut self, field: &str, value: Value) -> Files {
        self.config[field] = value;
        self.files()
    }

    fn without_config(mut self, field: &str) -> Files {
        self.config.as_object_mut().unwrap().remove(field);
        self.files()
    }

    fn without(mut self, name: &str) -> Files {
        self.tensors.retain(|tensor| tensor.name != name);
        self.files()
    }

    fn with(mut self, new: Tensor) -> Files {
        self.tensors.retain(|tensor| tensor.name != new.name);
        self.tensors.push(new);
        self.files()
    }

    /// Bytes of a tensor replaced from this place on.
    fn bytes(mut self, name: &str, at: usize, bytes: &[u8]) -> Files {
        let tensor = self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap();
        tensor.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.files()
    }
}

/// The samples unspoiled, which must read.
pub fn sound() -> Vec<Files> {
    vec![gptq().files(), awq().files(), awq_of_rows(), int8().files(), spqr().files()]
}

pub fn cases() -> Vec<Case> {
    [configs(), gptq_cases(), awq_cases(), int8_cases(), spqr_cases()].into_iter().flatten().collect()
}

fn configs() -> Vec<Case> {
    let word = |text: &str| Value::from(text);
    let mut not_an_object = gptq();
    not_an_object.config = json!([1]);
    let mut marlin = gptq();
    marlin.config["is_marlin_format"] = true.into();
    let mut four = int8();
    four.config = json!({"quant_method": "bitsandbytes", "load_in_4bit": true});
    let mut elsewhere = gptq().files();
    elsewhere[0].1 = b"{}".to_vec();
    elsewhere.push(("quantize_config.json".to_owned(), br#"{"bits": 5, "group_size": 32}"#.to_vec()));
    let mut cut_short = gptq().files();
    cut_short[0].1 = b"{}".to_vec();
    cut_short.push(("quantize_config.json".to_owned(), br#"{"bits": 4"#.to_vec()));
    vec![
        case("quantization config a list", &[CONFIG, "quantization_config", "an object"], not_an_object.files()),
        case("quantize_config.json of 5 bits", &["quantize_config.json", "bits", "found 5"], elsewhere),
        case("quantize_config.json cut short", &["quantize_config.json", "line 1", "EOF"], cut_short),
        case(
            "no method",
            &[CONFIG, "quant_method", "gptq, awq, bitsandbytes or spqr"],
            gptq().without_config("quant_method"),
        ),
        case("method unknown", &[CONFIG, "quant_method \"zip\""], gptq().config("quant_method", word("zip"))),
        case("method a number", &[CONFIG, "quant_method", "a name"], gptq().config("quant_method", 4.into())),
        case("two methods", &[CONFIG, "method", "as quant_method says"], gptq().config("method", word("awq"))),
        case("marlin", &[CONFIG, "is_marlin_format"], marlin.files()),
        case("format marlin", &[CONFIG, "\"marlin\""], gptq().config("checkpoint_format", word("marlin"))),
        case("format of bit planes", &[CONFIG, "\"gptq_p\""], gptq().config("checkpoint_format", word("gptq_p"))),
        case("two formats", &[CONFIG, "format", "as checkpoint_format says"], gptq().config("format", word("gptq_v2"))),
        case("packed in bytes", &[CONFIG, "pack_dtype"], gptq().config("pack_dtype", word("int8"))),
        case(
            "bits 0",
            &[CONFIG, "quantization_config.bits", "2, 3, 4 or 8", "found 0"],
            gptq().config("bits", 0.into()),
        ),
        case("bits 5", &[CONFIG, "bits", "found 5"], gptq().config("bits", 5.into())),
        case("bits a string", &[CONFIG, "bits", "a whole number"], gptq().config("bits", word("4"))),
        case("no bits", &[CONFIG, "bits"], gptq().without_config("bits")),
        case("no group size", &[CONFIG, "group_size"], gptq().without_config("group_size")),
        case("group size 0", &[CONFIG, "group_size", "found 0"], gptq().config("group_size", 0.into())),
        case("group size -2", &[CONFIG, "group_size", "-2"], gptq().config("group_size", (-2).into())),
        case("group size 2^40", &[CONFIG, "group_size"], gptq().config("group_size", (1u64 << 40).into())),
        case(
            "two group sizes",
            &[CONFIG, "q_group_size", "as group_size says"],
            gptq().config("q_group_size", 64.into()),
        ),
        case("sym a number", &[CONFIG, "sym", "true or false"], gptq().config("sym", 1.into())),
        case("dynamic a list", &[CONFIG, "dynamic", "an object"], gptq().config("dynamic", json!([1]))),
        case(
            "rule a number",
            &[CONFIG, "dynamic.p", "an object of settings"],
            gptq().config("dynamic", json!({"p": 4})),
        ),
        case(
            "rule of 5 bits",
            &[CONFIG, "dynamic.p.bits", "found 5"],
            gptq().config("dynamic", json!({"p": {"bits": 5}})),
        ),
        case(
            "rule with look-ahead",
            &[CONFIG, "(?!q)", "look-around"],
            gptq().config("dynamic", json!({"+:(?!q)": {}})),
        ),
        case("too many rules", &[CONFIG, "dynamic of 769 rules"], {
            let rules: serde_json::Map<_, _> = (0..769).map(|i| (format!("-:{i}"), Value::Null)).collect();
            gptq().config("dynamic", rules.into())
        }),
        case(
            "rule that fills memory",
            &[CONFIG, "dynamic"],
            gptq().config("dynamic", json!({"((a{100}){100}){100}": {}})),
        ),
        case(
            "rule against a quantized linear",
            &[FILE, "p.weight", "floating-point", "dynamic"],
            gptq().config("dynamic", json!({"-:p": {}})),
        ),
        case("bitsandbytes of 4 bits", &[CONFIG, "4 bits"], four.files()),
        case("unpacked int8", &[CONFIG, "has_fp16_weight"], int8().config("llm_int8_has_fp16_weight", true.into())),
        case("threshold negative", &[CONFIG, "llm_int8_threshold"], int8().config("llm_int8_threshold", (-1).into())),
        case("skip list of numbers", &[CONFIG, "skip_modules"], int8().config("llm_int8_skip_modules", json!([1]))),
        case("SpQR of its authors", &[CONFIG, "authors"], spqr().without_config("variant")),
        case("SpQR of another version", &[CONFIG, "qwgpu-9"], spqr().config("variant", word("qwgpu-9"))),
        case("SpQR with groups of 8", &[CONFIG, "group_size"], spqr().config("group_size", 8.into())),
        case(
            "SpQR with groups of 24",
            &[CONFIG, "group_size", "multiple of 16"],
            spqr().config("group_size", 24.into()),
        ),
        case("SpQR scales of 9 bits", &[CONFIG, "scale_bits"], spqr().config("scale_bits", 9.into())),
        case("SpQR statistics of 8", &[CONFIG, "stat_group"], spqr().config("stat_group", 8.into())),
        case("SpQR outliers unsaid", &[CONFIG, "outlier_semantics"], spqr().without_config("outlier_semantics")),
    ]
}

fn awq_cases() -> Vec<Case> {
    let word = |text: &str| Value::from(text);
    vec![
        case("AWQ gemv", &[CONFIG, "version \"gemv\" of AWQ", "gemm"], awq().config("version", word("gemv"))),
        case("AWQ marlin", &[CONFIG, "version \"marlin\" of AWQ"], awq().config("version", word("marlin"))),
        case("AWQ version a number", &[CONFIG, "version", "a name"], awq().config("version", 1.into())),
        case("AWQ of llm-awq", &[CONFIG, "backend \"llm-awq\""], awq().config("backend", word("llm-awq"))),
        case("AWQ without zeros", &[CONFIG, "zero_point false"], awq().config("zero_point", false.into())),
        case("AWQ symmetric", &[CONFIG, "sym true"], awq().config("sym", true.into())),
        case("AWQ of 3 bits", &[CONFIG, "bits 3", "AWQ has 4"], awq().config("bits", 3.into())),
        case("AWQ without bits", &[CONFIG, "bits"], awq().without_config("bits")),
        case("AWQ without group size", &[CONFIG, "group_size"], awq().without_config("group_size")),
        case(
            "AWQ modules one name",
            &[CONFIG, "modules_to_not_convert", "a list of names"],
            awq().config("modules_to_not_convert", word("p")),
        ),
        case("AWQ groups of 16", &["p of 64 columns", "16"], awq().config("group_size", 16.into())),
        case("AWQ groups of 48", &["p of 64 columns", "48"], awq().config("group_size", 48.into())),
        case("AWQ groups of other size", &[FILE, "p.qzeros", "[1, 8]"], awq().config("group_size", 64.into())),
        case("AWQ said to be GPTQ", &[CONFIG, "version \"gemm\""], awq().config("quant_method", word("gptq"))),
        case(
            "GPTQ said to be AWQ",
            &[CONFIG, "checkpoint_format \"gptq\" of AWQ"],
            gptq().config("quant_method", word("awq")),
        ),
        case("AWQ no qweight", &[FILE, "p.qweight", "no such tensor"], awq().without("qweight")),
        case("AWQ no qzeros", &[FILE, "p.qzeros", "no such tensor"], awq().without("qzeros")),
        case("AWQ no scales", &[FILE, "p.scales", "no such tensor"], awq().without("scales")),
        case("AWQ qweight in bytes", &[FILE, "p.qweight", "U8"], {
            awq().with(tensor("qweight", "U8", &[SIZE, 8], vec![0; SIZE * 8]))
        }),
        case("AWQ scale infinite", &[FILE, "p.scales, element 3", "inf"], awq().bytes("scales", 6, &u16s([0x7c00]))),
    ]
}

fn gptq_cases() -> Vec<Case> {
    let i32 = |value: i32| value.to_le_bytes();
    let mut both = gptq();
    both.tensors.push(tensor("weight", "F16", &[SIZE, SIZE], vec![0; SIZE * SIZE * 2]));
    let mut nothing = gptq();
    nothing.tensors = vec![tensor("bias", "F16", &[SIZE], vec![0; SIZE * 2])];
    let groups = |at: usize, group: i32| gptq().bytes("g_idx", 4 * at, &i32(group));
    vec![
        case("weight twice", &[FILE, "p.qweight", "both"], both.files()),
        case("no weight", &[FILE, "p.qweight", "no such tensor"], nothing.files()),
        case("no qweight", &[FILE, "p.qweight", "no such tensor"], gptq().without("qweight")),
        case("no qzeros", &[FILE, "p.qzeros", "no such tensor"], gptq().without("qzeros")),
        case("no scales", &[FILE, "p.scales", "no such tensor"], gptq().without("scales")),
        case("no g_idx", &[FILE, "p.g_idx", "no such tensor"], gptq().without("g_idx")),
        case(
            "config of other bits",
            &[FILE, "p.qweight", "[16, 64] for 8 bits", "have 4 bits"],
            gptq().config("bits", 8.into()),
        ),
        case(
            "rule of other bits",
            &[FILE, "p.qweight", "have 4 bits"],
            gptq().config("dynamic", json!({"p": {"bits": 2}})),
        ),
        case(
            "qweight of other rows",
            &[FILE, "p.qweight", "[8, 64]", "[7, 64]"],
            gptq().with(tensor("qweight", "I32", &[7, SIZE], vec![0; 7 * SIZE * 4])),
        ),
        case(
            "qweight flat",
            &[FILE, "p.qweight", "[512]"],
            gptq().with(tensor("qweight", "I32", &[512], vec![0; 512 * 4])),
        ),
        case(
            "qweight in bytes",
            &[FILE, "p.qweight", "I8"],
            gptq().with(tensor("qweight", "I8", &[8, SIZE], vec![0; 8 * SIZE])),
        ),
        case(
            "qzeros of other shape",
            &[FILE, "p.qzeros", "[2, 8]", "[8, 2]"],
            gptq().with(tensor("qzeros", "I32", &[8, 2], vec![0x77; 64])),
        ),
        case(
            "scales of one group",
            &[FILE, "p.scales", "[2, 64]", "[1, 64]"],
            gptq().with(tensor("scales", "F16", &[1, SIZE], u16s([ONE; SIZE]))),
        ),
        case(
            "scales in F32",
            &[FILE, "p.scales", "F16", "F32"],
            gptq().with(tensor("scales", "F32", &[2, SIZE], vec![0; 2 * SIZE * 4])),
        ),
        case("scale NaN", &[FILE, "p.scales, element 3", "NaN"], gptq().bytes("scales", 6, &u16s([0x7e00]))),
        case("scale infinite", &[FILE, "p.scales, element 3", "inf"], gptq().bytes("scales", 6, &u16s([0xfc00]))),
        case("scale beyond F16", &[FILE, "p.scales, element 0", "inf"], {
            let bf16 = u16s([0x4980; 2 * SIZE]);
            gptq().with(tensor("scales", "BF16", &[2, SIZE], bf16))
        }),
        case("g_idx short", &[FILE, "p.g_idx", "[64]", "[63]"], {
            gptq().with(tensor("g_idx", "I32", &[63], i32s([0; 63])))
        }),
        case("g_idx in I64", &[FILE, "p.g_idx", "I64"], gptq().with(tensor("g_idx", "I64", &[64], vec![0; 512]))),
        case("g_idx out of range", &[FILE, "p.g_idx, element 9", "below 2", "found 2"], groups(9, 2)),
        case("g_idx negative", &[FILE, "p.g_idx, element 9", "found -1"], groups(9, -1)),
        case("groups of unequal size", &[FILE, "p.g_idx", "32 columns", "31 in group 0"], groups(9, 1)),
        case("groups of 48", &["p of 64 columns", "48"], gptq().config("group_size", 48.into())),
        case("groups of 16", &["p of 64 columns", "16"], gptq().config("group_size", 16.into())),
        case("groups of other size", &[FILE, "p.qzeros", "[1, 8]"], gptq().config("group_size", 64.into())),
        case(
            "version 2 said to be 1",
            &[FILE, "p.qzeros", "found 9", "gptq_v2"],
            gptq().with(tensor("qzeros", "I32", &[2, 8], vec![0x88; 64])),
        ),
        case(
            "version 1 said to be 2",
            &[FILE, "p.qzeros", "found 7", "\"gptq\""],
            gptq().config("checkpoint_format", "gptq_v2".into()),
        ),
    ]
}

fn int8_cases() -> Vec<Case> {
    let scale = |value: f32| int8().bytes("SCB", 20, &value.to_le_bytes());
    vec![
        case("int8 without SCB", &[FILE, "p.SCB", "row scales"], int8().without("SCB")),
        case("int8 without weight", &[FILE, "p.weight", "no such tensor"], int8().without("weight")),
        case("weight unsigned", &[FILE, "p.weight", "I8", "U8"], {
            int8().with(tensor("weight", "U8", &[SIZE, SIZE], vec![0; SIZE * SIZE]))
        }),
        case("weight turned", &[FILE, "p.weight", "[64, 64]", "[32, 128]"], {
            int8().with(tensor("weight", "I8", &[32, 128], vec![0; SIZE * SIZE]))
        }),
        case("weight tiled", &[FILE, "p.weight_format", "found 2"], int8().bytes("weight_format", 0, &[2])),
        case("weight format a row", &[FILE, "p.weight_format", "one number"], {
            int8().with(tensor("weight_format", "U8", &[2], vec![0; 2]))
        }),
        case("weight format a float", &[FILE, "p.weight_format", "F32"], {
            int8().with(tensor("weight_format", "F32", &[], vec![0; 4]))
        }),
        case("SCB short", &[FILE, "p.SCB", "[64]", "[63]"], int8().with(tensor("SCB", "F32", &[63], vec![0; 63 * 4]))),
        case("SCB in F16", &[FILE, "p.SCB", "F32", "F16"], int8().with(tensor("SCB", "F16", &[64], vec![0; 128]))),
        case("SCB NaN", &[FILE, "p.SCB, element 5", "NaN"], scale(f32::NAN)),
        case("SCB infinite", &[FILE, "p.SCB, element 5", "inf"], scale(f32::INFINITY)),
        case("SCB negative", &[FILE, "p.SCB, element 5", "-1"], scale(-1.0)),
        case("code -128", &[FILE, "p.weight, element 100", "-128"], int8().bytes("weight", 100, &[0x80])),
    ]
}

fn spqr_cases() -> Vec<Case> {
    let columns = |columns: [u16; 3]| spqr().bytes("spqr_cols", 0, &u16s(columns));
    let row = |row: usize, start: i32| spqr().bytes("spqr_rows", 4 * row, &start.to_le_bytes());
    let absent = |name: &'static str, field: &'static str| {
        case(name, &[FILE, field, "no such tensor"], spqr().without(&field[2..]))
    };
    vec![
        absent("no codes", "p.spqr_q"),
        absent("no scale codes", "p.spqr_sc"),
        absent("no zero codes", "p.spqr_zc"),
        absent("no statistics", "p.spqr_s2"),
        absent("no row starts", "p.spqr_rows"),
        absent("no columns", "p.spqr_cols"),
        absent("no values", "p.spqr_vals"),
        case("codes of other bits", &[FILE, "p.spqr_q", "[64, 8]", "[64, 6]"], spqr().config("bits", 4.into())),
        case(
            "SpQR groups of other size",
            &[FILE, "p.spqr_sc", "[2, 64]", "[4, 64]"],
            spqr().config("group_size", 32.into()),
        ),
        case("SpQR groups of 48", &["p of [64, 64]", "48"], spqr().config("group_size", 48.into())),
        case(
            "scale code of 4 bits",
            &[FILE, "p.spqr_sc, element 7", "3 bits", "found 8"],
            spqr().bytes("spqr_sc", 7, &[8]),
        ),
        case("zero code of 4 bits", &[FILE, "p.spqr_zc, element 7", "found 255"], spqr().bytes("spqr_zc", 7, &[255])),
        case("statistic NaN", &[FILE, "p.spqr_s2, element 5", "NaN"], spqr().bytes("spqr_s2", 10, &u16s([0x7e00]))),
        case("statistics flat", &[FILE, "p.spqr_s2", "[4, 4, 4]"], {
            spqr().with(tensor("spqr_s2", "F16", &[64], u16s([ONE; 64])))
        }),
        case("rows from 1", &[FILE, "p.spqr_rows, element 0", "found 1"], row(0, 1)),
        case("rows decreasing", &[FILE, "p.spqr_rows, element 2", "2 or more", "found 1"], row(2, 1)),
        case("rows beyond the outliers", &[FILE, "p.spqr_rows, element 3", "found 3"], row(2, 1 << 30)),
        case("rows ending early", &[FILE, "p.spqr_rows, element 64", "3 outliers", "found 2"], row(64, 2)),
        case("rows short", &[FILE, "p.spqr_rows", "[65]", "[64]"], {
            spqr().with(tensor("spqr_rows", "U32", &[64], i32s([0; 64])))
        }),
        case("a value missing", &[FILE, "p.spqr_vals", "[3]", "[2]"], {
            spqr().with(tensor("spqr_vals", "F16", &[2], u16s([ONE; 2])))
        }),
        case("value infinite", &[FILE, "p.spqr_vals, element 1", "inf"], spqr().bytes("spqr_vals", 2, &u16s([0x7c00]))),
        case("column out of range", &[FILE, "p.spqr_cols, element 2", "below 64", "found 64"], columns([3, 5, 64])),
        case("columns unsorted", &[FILE, "p.spqr_cols, element 1", "above 5", "found 3"], columns([5, 3, 5])),
        case("column twice", &[FILE, "p.spqr_cols, element 1", "above 5", "found 5"], columns([5, 5, 5])),
        case(
            "perm out of range",
            &[FILE, "p.spqr_perm, element 4", "below 64"],
            spqr().bytes("spqr_perm", 8, &u16s([64])),
        ),
        case("perm with a column twice", &[FILE, "p.spqr_perm, element 4", "63 again"], {
            spqr().bytes("spqr_perm", 8, &u16s([63]))
        }),
        case("perm short", &[FILE, "p.spqr_perm", "[64]", "[8]"], {
            spqr().with(tensor("spqr_perm", "U16", &[8], u16s(0..8)))
        }),
        case("perm in bytes", &[FILE, "p.spqr_perm", "U8"], spqr().with(tensor("spqr_perm", "U8", &[64], vec![0; 64]))),
    ]
}
