//! `quantization_config` of GPTQ folders.

use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use crate::checkpoint::NewTensor;
use crate::error::Result;
use crate::formats::QuantizedWeight;
use crate::formats::file::{Fields, FolderFormat, FolderWriter, Notes, OTHERS, object, quantizer};

/// Bounds on `dynamic`: rules, and memory that one may take when compiled.
const MOST_RULES: usize = 768;
const RULE_BYTES: usize = 32 << 10;

pub static FOLDER: FolderFormat = FolderFormat {
    quant_method: "gptq",
    tensors: &["qweight", "qzeros", "scales"],
    implied: |_| Ok(false),
    parse: |fields, notes| Ok(Box::new(parse(fields, notes)?)),
};

/// Settings of a GPTQ folder.
#[derive(Clone, Debug)]
pub struct GptqFolder {
    pub bits: u32,
    /// None: a group is a whole row.
    pub group_size: Option<usize>,
    /// None: the config does not say; readers assume true.
    pub sym: Option<bool>,
    /// Columns were quantized in another order than theirs, so that groups are scattered.
    pub desc_act: bool,
    pub zeros: Zeros,
    /// Written for the record.
    pub damp_percent: Option<f32>,
    pub true_sequential: bool,
    pub static_groups: bool,
    /// `dynamic`: settings of single modules, the first match counts.
    pub(super) rules: Vec<ModuleRule>,
}

/// Storage of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// Version 1, checkpoint_format "gptq".
    LessOne,
    /// Version 2, checkpoint_format "gptq_v2".
    Unchanged,
}

#[derive(Clone, Debug)]
pub(super) struct ModuleRule {
    module: Regex,
    /// Matching modules are not quantized.
    skip: bool,
    bits: Option<u32>,
    group_size: Option<Option<usize>>,
    sym: Option<bool>,
    desc_act: Option<bool>,
}

impl GptqFolder {
    pub fn new(bits: u32, group_size: Option<usize>, sym: bool, desc_act: bool, zeros: Zeros) -> GptqFolder {
        let (damp_percent, true_sequential, static_groups, rules) = (None, true, false, Vec::new());
        let sym = Some(sym);
        GptqFolder { bits, group_size, sym, desc_act, zeros, damp_percent, true_sequential, static_groups, rules }
    }

    /// Returns the settings of one module. None: a rule leaves it unquantized.
    pub(super) fn of(&self, module: &str) -> Option<GptqFolder> {
        let mut own = GptqFolder { rules: Vec::new(), ..self.clone() };
        if let Some(rule) = self.rules.iter().find(|rule| rule.module.is_match(module.as_bytes())) {
            if rule.skip {
                return None;
            }
            own.bits = rule.bits.unwrap_or(own.bits);
            own.group_size = rule.group_size.unwrap_or(own.group_size);
            own.sym = rule.sym.or(own.sym);
            own.desc_act = rule.desc_act.unwrap_or(own.desc_act);
        }
        Some(own)
    }
}

impl FolderWriter for GptqFolder {
    fn write(&self, prefix: &str, weight: &dyn QuantizedWeight) -> Result<Vec<NewTensor<'static>>> {
        super::file::write(prefix, weight.downcast_ref().expect("a weight of the folder's format"), self)
    }

    fn to_json(&self) -> Map<String, Value> {
        let format = match self.zeros {
            Zeros::LessOne => "gptq",
            Zeros::Unchanged => "gptq_v2",
        };
        let mut map = object(json!({
            "quant_method": "gptq",
            "bits": self.bits,
            "group_size": self.group_size.map_or(-1, |group_size| group_size as i64),
            "desc_act": self.desc_act,
            "sym": self.sym.unwrap_or(true),
            "true_sequential": self.true_sequential,
            "static_groups": self.static_groups,
            "lm_head": false,
            "checkpoint_format": format,
            "format": format,
            "pack_dtype": "int32",
            "meta": {"quantizer": [quantizer()]},
        }));
        if let Some(damp_percent) = self.damp_percent {
            map.insert("damp_percent".into(), json!(damp_percent));
        }
        map
    }

    /// Readers of GPTQ folders want f16.
    fn rest_type(&self) -> &'static str {
        "F16"
    }
}

fn parse(fields: &Fields, notes: &Notes) -> Result<GptqFolder> {
    if fields.flag(&["is_marlin_format"])? == Some(true) {
        return Err(fields.unsupported("is_marlin_format", true, OTHERS));
    }
    let zeros = match fields.text(&["checkpoint_format", "format", "version"])? {
        None | Some((_, "gptq")) => Zeros::LessOne,
        Some((_, "gptq_v2")) => Zeros::Unchanged,
        Some((name, other)) => return Err(fields.unsupported(name, format!("{other:?}"), OTHERS)),
    };
    match fields.text(&["pack_dtype"])? {
        None | Some((_, "int32" | "torch.int32")) => (),
        Some((name, other)) => return Err(fields.unsupported(name, format!("{other:?}"), OTHERS)),
    }
    let desc_act = fields.flag(&["desc_act"])?.unwrap_or(false);
    let folder = GptqFolder {
        sym: fields.flag(&["sym"])?,
        rules: rules(fields)?,
        ..GptqFolder::new(fields.bits()?, fields.group_size()?, true, desc_act, zeros)
    };
    if folder.sym.is_none() {
        notes.add(format!("{}: {}sym is not given, taken as true", fields.file.display(), fields.within));
    }
    Ok(folder)
}

/// Reads the rules of `dynamic`: `{"+:regex": {"bits": 8, ...}, "-:regex": {}}`.
fn rules(fields: &Fields) -> Result<Vec<ModuleRule>> {
    let map = match fields.find(&["dynamic"])? {
        None | Some((_, Value::Bool(false))) => return Ok(Vec::new()),
        Some((_, Value::Object(map))) if map.len() <= MOST_RULES => map,
        Some((_, Value::Object(map))) => {
            let fix = format!("at most {MOST_RULES} are read; let one rule match several modules");
            return Err(fields.unsupported("dynamic", format!("of {} rules", map.len()), &fix));
        }
        Some((name, _)) => return Err(fields.bad(name, "an object of settings by module")),
    };
    let within = format!("{}dynamic.", fields.within);
    let all = Fields { map, file: fields.file, within: &within };
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
        let within = format!("{within}{key}.");
        let none = Map::new();
        let map = match settings {
            Value::Object(map) => map,
            Value::Null | Value::Bool(false) if skip => &none,
            _ => return Err(all.bad(key, "an object of settings")),
        };
        let own = Fields { map, file: fields.file, within: &within };
        let (bits, group_size) = (own.given_bits()?, own.given_group_size()?);
        Ok(ModuleRule { module, skip, bits, group_size, sym: own.flag(&["sym"])?, desc_act: own.flag(&["desc_act"])? })
    };
    map.iter().map(rule).collect()
}
