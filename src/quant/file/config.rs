//! `quantization_config` of config.json, read and written.

use std::path::Path;
use std::sync::Mutex;

use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::fields::Fields;
use crate::checkpoint::{Checkpoint, Source};
use crate::error::{Error, Result};

const KEY: &str = "quantization_config";
/// Files in which AutoGPTQ kept it before config.json had it.
const ELSEWHERE: &[&str] = &["quantize_config.json", "quant_config.json"];
const LONGEST: u64 = 4 << 20;
/// Bounds on `dynamic`: rules, and memory that one may take when compiled.
const MOST_RULES: usize = 768;
const RULE_BYTES: usize = 32 << 10;
const OTHERS: &str = "use the original weights, or a GPTQ or bitsandbytes 8-bit version of the model";

/// How the linears of a folder are quantized.
#[derive(Debug)]
pub struct Quantization {
    pub method: Method,
    notes: Mutex<Vec<String>>,
}

#[derive(Clone, Debug)]
pub enum Method {
    Gptq(GptqFile),
    /// bitsandbytes: columns of activations with a value above `threshold` stay unquantized.
    Int8 {
        threshold: f32,
        /// Modules left unquantized beside the output matrix; for readers, weights show it.
        skip: Vec<String>,
    },
    Spqr(SpqrFile),
}

/// A GPTQ folder.
#[derive(Clone, Debug)]
pub struct GptqFile {
    pub bits: u32,
    /// None: a group is a whole row.
    pub group: Option<usize>,
    /// None: not said, which readers take as true.
    pub sym: Option<bool>,
    /// Columns were quantized in another order than theirs, so that groups are scattered.
    pub desc_act: bool,
    pub zeros: Zeros,
    /// `dynamic`: modules with settings of their own, the first match counts.
    pub(super) rules: Vec<Rule>,
}

/// How zeros are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// Version 1, checkpoint_format "gptq".
    LessOne,
    /// Version 2, checkpoint_format "gptq_v2".
    AsTheyAre,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    module: Regex,
    /// Matching modules are not quantized.
    skip: bool,
    bits: Option<u32>,
    group: Option<Option<usize>>,
    sym: Option<bool>,
    desc_act: Option<bool>,
}

/// A SpQR folder of this program.
#[derive(Clone, Debug, PartialEq)]
pub struct SpqrFile {
    pub bits: u32,
    pub group: usize,
    pub scale_bits: u32,
    pub zero_bits: u32,
    pub outliers: Outliers,
}

/// What an outlier's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outliers {
    /// Added to the dense weight.
    Add,
    /// The weight itself.
    Replace,
}

impl Quantization {
    pub fn new(method: Method) -> Quantization {
        Quantization { method, notes: Mutex::default() }
    }

    /// Of activations, where the method has one: LLM.int8()'s.
    pub fn threshold(&self) -> Option<f32> {
        match self.method {
            Method::Int8 { threshold, .. } => Some(threshold),
            _ => None,
        }
    }

    /// What the checkpoint says of itself; none where it is not quantized.
    ///
    /// # Errors
    /// A method or setting that is unknown or that this version does not compute.
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Quantization>> {
        let folder = checkpoint.path();
        if let Some(config) = checkpoint.config.get(KEY).filter(|config| !config.is_null()) {
            let file = folder.join("config.json");
            return match config {
                Value::Object(map) => {
                    Quantization::parse(&Fields { map, file: &file, within: "quantization_config." }).map(Some)
                }
                other => {
                    let fix = "take config.json as its authors published it";
                    Err(Error::malformed(&file, KEY, "an object", other, fix))
                }
            };
        }
        let Some(file) = ELSEWHERE.iter().map(|name| folder.join(name)).find(|file| file.is_file()) else {
            return Ok(None);
        };
        let mut map = object(&file)?;
        // These files are older than the word.
        map.entry("quant_method").or_insert("gptq".into());
        Quantization::parse(&Fields { map: &map, file: &file, within: "" }).map(Some)
    }

    fn parse(fields: &Fields) -> Result<Quantization> {
        let eight_bit = fields.flag(&["load_in_8bit", "_load_in_8bit"])? == Some(true);
        let four_bit = fields.flag(&["load_in_4bit", "_load_in_4bit"])? == Some(true);
        let method = match fields.text(&["quant_method", "method"])? {
            Some(method) => method,
            None if eight_bit || four_bit => "bitsandbytes",
            None => return Err(fields.bad("quant_method", "gptq, bitsandbytes or spqr", &Value::Null)),
        };
        match method {
            "gptq" => gptq(fields),
            "bitsandbytes" if four_bit || !eight_bit => {
                Err(fields.unsupported("quant_method", "\"bitsandbytes\" in 4 bits", OTHERS))
            }
            "bitsandbytes" => int8(fields),
            "spqr" => spqr(fields).map(|file| Quantization::new(Method::Spqr(file))),
            other => Err(fields.unsupported("quant_method", format!("{other:?}"), OTHERS)),
        }
    }

    /// What a user should hear of: settings that were guessed, values that tools disagree on.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub(super) fn note(&self, note: String) {
        self.notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(note);
    }

    /// The object that other programs read. A caller may put more into it, such as `damp_percent`.
    pub fn to_json(&self) -> Map<String, Value> {
        let quantizer = format!("qwgpu:{}", env!("CARGO_PKG_VERSION"));
        let config = match &self.method {
            Method::Gptq(file) => {
                let format = match file.zeros {
                    Zeros::LessOne => "gptq",
                    Zeros::AsTheyAre => "gptq_v2",
                };
                json!({
                    "quant_method": "gptq",
                    "bits": file.bits,
                    "group_size": file.group.map_or(-1, |group| group as i64),
                    "desc_act": file.desc_act,
                    "sym": file.sym.unwrap_or(true),
                    "true_sequential": true,
                    "static_groups": false,
                    "lm_head": false,
                    "checkpoint_format": format,
                    "format": format,
                    "pack_dtype": "int32",
                    "meta": {"quantizer": [quantizer]},
                })
            }
            Method::Int8 { threshold, skip } => json!({
                "quant_method": "bitsandbytes",
                "load_in_8bit": true,
                "load_in_4bit": false,
                "llm_int8_threshold": threshold,
                "llm_int8_has_fp16_weight": false,
                "llm_int8_skip_modules": if skip.is_empty() { Value::Null } else { json!(skip) },
                "llm_int8_enable_fp32_cpu_offload": false,
            }),
            Method::Spqr(file) => json!({
                "quant_method": "spqr",
                "variant": "qwgpu-1",
                "bits": file.bits,
                "group_size": file.group,
                "stat_group": 16,
                "scale_bits": file.scale_bits,
                "zero_bits": file.zero_bits,
                "outlier_semantics": match file.outliers {
                    Outliers::Add => "add",
                    Outliers::Replace => "replace",
                },
                "meta": {"quantizer": [quantizer]},
            }),
        };
        match config {
            Value::Object(map) => map,
            _ => unreachable!("objects are written above"),
        }
    }
}

impl GptqFile {
    pub fn new(bits: u32, group: Option<usize>, sym: bool, desc_act: bool, zeros: Zeros) -> GptqFile {
        GptqFile { bits, group, sym: Some(sym), desc_act, zeros, rules: Vec::new() }
    }

    /// The settings of one module; none where a rule leaves it unquantized.
    pub(super) fn of(&self, module: &str) -> Option<GptqFile> {
        let mut own = GptqFile { rules: Vec::new(), ..self.clone() };
        if let Some(rule) = self.rules.iter().find(|rule| rule.module.is_match(module.as_bytes())) {
            if rule.skip {
                return None;
            }
            own.bits = rule.bits.unwrap_or(own.bits);
            own.group = rule.group.unwrap_or(own.group);
            own.sym = rule.sym.or(own.sym);
            own.desc_act = rule.desc_act.unwrap_or(own.desc_act);
        }
        Some(own)
    }
}

fn object(file: &Path) -> Result<Map<String, Value>> {
    let source = Source::open(file)?;
    source.refuse_placeholder("a JSON file")?;
    serde_json::from_slice(&source.read_all(LONGEST)?).map_err(|error| {
        let field = format!("line {}, column {}", error.line(), error.column());
        Error::malformed(file, field, "an object in JSON", error, "fetch the folder again")
    })
}

fn gptq(fields: &Fields) -> Result<Quantization> {
    if fields.flag(&["is_marlin_format"])? == Some(true) {
        return Err(fields.unsupported("is_marlin_format", true, OTHERS));
    }
    let zeros = match fields.text(&["checkpoint_format", "format", "version"])? {
        None | Some("gptq") => Zeros::LessOne,
        Some("gptq_v2") => Zeros::AsTheyAre,
        Some(other) => return Err(fields.unsupported("checkpoint_format", format!("{other:?}"), OTHERS)),
    };
    match fields.text(&["pack_dtype"])? {
        None | Some("int32" | "torch.int32") => (),
        Some(other) => return Err(fields.unsupported("pack_dtype", format!("{other:?}"), OTHERS)),
    }
    let required = |field: &str, expected: &str| fields.bad(field, expected, &Value::Null);
    let file = GptqFile {
        bits: fields.bits()?.ok_or_else(|| required("bits", "2, 3, 4 or 8"))?,
        group: fields.group()?.ok_or_else(|| required("group_size", "a number of columns, or -1 for a whole row"))?,
        sym: fields.flag(&["sym"])?,
        desc_act: fields.flag(&["desc_act"])?.unwrap_or(false),
        zeros,
        rules: rules(fields)?,
    };
    let unsaid = file.sym.is_none();
    let quantization = Quantization::new(Method::Gptq(file));
    if unsaid {
        quantization.note(format!("{}: {}sym is not given, taken as true", fields.file.display(), fields.within));
    }
    Ok(quantization)
}

/// The rules of `dynamic`: `{"+:regex": {"bits": 8, ...}, "-:regex": {}}`.
fn rules(fields: &Fields) -> Result<Vec<Rule>> {
    let map = match fields.find(&["dynamic"])? {
        None | Some((_, Value::Bool(false))) => return Ok(Vec::new()),
        Some((_, Value::Object(map))) if map.len() <= MOST_RULES => map,
        Some((_, Value::Object(map))) => {
            let fix = format!("at most {MOST_RULES} are read; let one rule match several modules");
            return Err(fields.unsupported("dynamic", format!("of {} rules", map.len()), &fix));
        }
        Some((name, other)) => return Err(fields.bad(name, "an object of settings by module", other)),
    };
    let rule = |(key, settings): (&String, &Value)| {
        let (skip, pattern) = match (key.strip_prefix("-:"), key.strip_prefix("+:")) {
            (Some(pattern), _) => (true, pattern),
            (_, Some(pattern)) => (false, pattern),
            _ => (false, key.as_str()),
        };
        // Patterns match from a name's start, not to its end. Names are ASCII, for which rules stay small.
        let pattern = format!("^(?:{pattern})");
        let module = RegexBuilder::new(&pattern).unicode(false).size_limit(RULE_BYTES).build();
        let module = module.map_err(|_| {
            let fix = "only short regular expressions without look-around are read; rewrite this rule";
            fields.unsupported("dynamic", format!("rule {key:?}"), fix)
        })?;
        let within = format!("{}dynamic.{key}.", fields.within);
        let none = Map::new();
        let map = match settings {
            Value::Object(map) => map,
            Value::Null | Value::Bool(false) if skip => &none,
            other => return Err(fields.bad(&format!("dynamic.{key}"), "an object of settings", other)),
        };
        let own = Fields { map, file: fields.file, within: &within };
        let (bits, group) = (own.bits()?, own.group()?);
        Ok(Rule { module, skip, bits, group, sym: own.flag(&["sym"])?, desc_act: own.flag(&["desc_act"])? })
    };
    map.iter().map(rule).collect()
}

fn int8(fields: &Fields) -> Result<Quantization> {
    if fields.flag(&["llm_int8_has_fp16_weight"])? == Some(true) {
        return Err(fields.unsupported("llm_int8_has_fp16_weight", true, OTHERS));
    }
    let threshold = match fields.find(&["llm_int8_threshold"])? {
        None => 6.0,
        Some((name, value)) => match value.as_f64() {
            Some(number) if (0.0..=f64::from(f32::MAX)).contains(&number) => number as f32,
            _ => return Err(fields.bad(name, "a number of 0 or more", value)),
        },
    };
    let names = |value: &Value| {
        value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    };
    let skip = match fields.find(&["llm_int8_skip_modules"])? {
        None => Vec::new(),
        Some((name, value)) => names(value).ok_or_else(|| fields.bad(name, "a list of names", value))?,
    };
    Ok(Quantization::new(Method::Int8 { threshold, skip }))
}

fn spqr(fields: &Fields) -> Result<SpqrFile> {
    match fields.text(&["variant"])? {
        Some("qwgpu-1") => (),
        other => {
            let found = other.map_or("of its authors' package".to_owned(), |name| format!("variant {name:?}"));
            let fix = "quantize the original weights with SpQR";
            return Err(fields.unsupported("quant_method \"spqr\"", found, fix));
        }
    }
    let number = |name: &'static str, least: i64, most: i64| match fields.whole(&[name])? {
        Some((_, number)) if (least..=most).contains(&number) => Ok(number),
        other => {
            let found = other.map_or(Value::Null, |(_, number)| number.into());
            Err(fields.bad(name, &format!("a number from {least} to {most}"), &found))
        }
    };
    number("stat_group", 16, 16)?;
    let group = number("group_size", 16, 1 << 20)?;
    if group % 16 != 0 {
        return Err(fields.bad("group_size", "a multiple of 16", &group.into()));
    }
    Ok(SpqrFile {
        bits: fields.bits()?.ok_or_else(|| fields.bad("bits", "2, 3, 4 or 8", &Value::Null))?,
        group: group as usize,
        scale_bits: number("scale_bits", 2, 8)? as u32,
        zero_bits: number("zero_bits", 2, 8)? as u32,
        outliers: match fields.text(&["outlier_semantics"])? {
            Some("add") => Outliers::Add,
            Some("replace") => Outliers::Replace,
            other => return Err(fields.bad("outlier_semantics", "\"add\" or \"replace\"", &json!(other))),
        },
    })
}
