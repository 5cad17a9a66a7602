//! `qwgpu study`: several forms of several models, measured alike, and the report of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::eval::{Prepared, Settings, What, whole_names};
use super::model::{DeviceArgs, ModelArgs, PathArg};
use super::output::{note, print_out};
use super::method_args;
use super::quantize::Calibration;
use super::study_conditions::{Machine, conditions, stored};
use super::study_form::Measuring;
use super::study_plan::plan;
use super::{Outcome, count};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::eval::limits::Limits;
use crate::eval::perplexity;
use crate::generate::{Loaded, load};
use crate::model::Config;
use crate::formats::method::Method;
use crate::quantize::model_digest;
use crate::report::data::{Fact, SCHEMA, Study};
use crate::study::texts::Text;
use crate::study::{Extras, Form, forms};

pub const HELP: &str = "\
Measures each model as it is and quantized by each method at each width: perplexity on texts, benchmarks, memory and
speed. What is quantized, asked or measured already is not done again, so a study that was stopped goes on. At the
end, and every minute or so between forms, OUT/report.html says what was found; beside it lie figures, CSV and study.json.

Before anything long begins the matrix is printed with its cost: bytes, tokens, and hours at the rates measured here.
--plan stops there. A form that cannot be measured, because it does not fit or its numbers are none, is left out and
named in the report; the exit code is then 1.

Presets: correlation (perplexity at 4 and 3 bits against scores), outliers (SpQR with and without outliers, groups of
16 and 128, true bits equal to GPTQ's), efficiency (LLM.int8() against GPTQ: memory and speed).

Examples:
  qwgpu study --model Qwen2.5-0.5B --tasks mmlu,snli --limit 20 --data data --calibration c4.jsonl --out study
  qwgpu study --model Qwen2.5-0.5B --model Qwen2.5-1.5B --preset outliers --data data --calibration c4.jsonl --out study";

#[derive(clap::Args)]
pub struct Args {
    /// A Hugging Face folder or a .gguf file; may be given several times
    #[arg(long, value_name = "MODEL", required = true)]
    model: Vec<String>,
    /// One of the study's experiments
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// Methods beside 16 bit: int8, gptq, spqr, rtn [default: int8,gptq,spqr]
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = method_args::method)]
    methods: Option<Vec<&'static Method>>,
    /// Widths of methods that have several [default: 8,4,3,2]
    #[arg(long, value_name = "BITS", value_delimiter = ',')]
    bits: Option<Vec<u32>>,
    /// SpQR without outliers and with groups of 128, too
    #[arg(long)]
    ablation: bool,
    /// SpQR at the true bits of GPTQ one bit wider, too
    #[arg(long)]
    equal_bits: bool,
    /// Benchmarks, with commas between them; see `qwgpu eval --help`
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    tasks: Vec<String>,
    /// Texts for perplexity: wikitext2, ptb, c4 [default: wikitext2]
    #[arg(long, value_name = "TEXTS", value_delimiter = ',')]
    texts: Option<Vec<String>>,
    /// Tokens of a window of perplexity [default: 2048, or less if a model was trained for less]
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    window: Option<usize>,
    /// Windows of each text [default: all]
    #[arg(long, value_name = "N", value_parser = count)]
    windows: Option<usize>,
    /// First tokens of each text over which the divergence from the 16-bit model is measured, at most a window; 0
    /// leaves it out
    #[arg(long, default_value_t = 2048, value_name = "TOKENS")]
    pub(super) kl_tokens: usize,
    /// The folder with tasks' data and texts
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Few-shot examples [default: each profile's]
    #[arg(long, value_name = "N")]
    shots: Option<usize>,
    /// Ask only the first N documents of each set; `100,mmlu=2` has a limit of its own for a task
    #[arg(long, value_name = "N")]
    limit: Option<Limits>,
    /// Most tokens of a reply, where a task allows more
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    reply_tokens: Option<usize>,
    /// Longest sequence in tokens [default: 4096, or less if a model was trained for less]
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    context: Option<usize>,
    /// Prompt and generated tokens of the measurement of speed; 0/0 leaves it out
    #[arg(long, default_value = "512/128", value_name = "P/G", value_parser = lengths)]
    pub(super) speed: (usize, usize),
    /// The path on which speed and memory are measured [default: that of --path]
    #[arg(long, value_enum, value_name = "PATH")]
    speed_path: Option<PathArg>,
    #[command(flatten)]
    pub(super) calibration: Calibration,
    /// The folder for everything
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Words that stand above everything else in the report
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Print the matrix and its cost and stop
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Preset {
    Correlation,
    Outliers,
    Efficiency,
}

fn lengths(text: &str) -> std::result::Result<(usize, usize), String> {
    let parts =
        text.split_once('/').and_then(|(prompt, generated)| Some((prompt.parse().ok()?, generated.parse().ok()?)));
    parts.ok_or_else(|| "expected P/G, such as 512/128".to_owned())
}

impl Args {
    pub(super) fn speed_path(&self) -> PathArg {
        self.speed_path.unwrap_or(self.device.path)
    }

    /// The device for one of the two paths: where only the other has an adapter, what names it is left out.
    pub(super) fn device_on(&self, path: PathArg) -> DeviceArgs {
        let device = DeviceArgs { path, ..self.device.clone() };
        if path == PathArg::Cpu && (self.device.path != path || self.speed_path() != path) {
            return DeviceArgs { device: None, require_gpu: false, ..device };
        }
        device
    }
}

/// What is measured, after the preset.
struct Matrix {
    methods: Vec<&'static Method>,
    bits: Vec<u32>,
    extras: Extras,
    texts: Vec<&'static Text>,
    tasks: Vec<String>,
}

impl Matrix {
    fn of(args: &Args) -> Result<Matrix> {
        let (methods, bits, texts): (&[&str], &[u32], &[&str]) = match args.preset {
            None => (&["int8", "gptq", "spqr"], &[8, 4, 3, 2], &["wikitext2"]),
            Some(Preset::Correlation) => (&["gptq", "spqr"], &[4, 3], &["wikitext2", "ptb", "c4"]),
            Some(Preset::Outliers) => (&["gptq", "spqr"], &[4, 3, 2], &["wikitext2"]),
            Some(Preset::Efficiency) => (&["int8", "gptq"], &[8, 4], &[]),
        };
        let outliers = args.preset == Some(Preset::Outliers);
        let texts = args.texts.clone().unwrap_or_else(|| texts.iter().map(|text| (*text).to_owned()).collect());
        let bits = args.bits.clone().unwrap_or_else(|| bits.to_vec());
        if let Some(wrong) = bits.iter().find(|bits| ![8, 4, 3, 2].contains(*bits)) {
            return Err(Error::request("--bits", "some of 8, 4, 3, 2", wrong, "choose among these"));
        }
        Ok(Matrix {
            methods: args.methods.clone().unwrap_or_else(|| methods.iter().filter_map(|name| Method::find(name)).collect()),
            bits,
            extras: Extras { ablation: args.ablation || outliers, equal_bits: args.equal_bits || outliers },
            texts: texts.iter().map(|name| Text::named(name)).collect::<Result<_>>()?,
            tasks: whole_names(&args.tasks),
        })
    }
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let matrix = Matrix::of(args)?;
    std::fs::create_dir_all(&args.out).map_err(Error::io(&args.out))?;
    let forms = forms(&matrix.methods, &matrix.bits, matrix.extras);
    let calibrated =
        |form: &Form| form.settings.as_ref().is_some_and(|s| s.quant.method.calibrated);
    if args.calibration.file.is_none() && forms.iter().any(calibrated) {
        let fix = "give a text, .jsonl or .json; --methods int8,rtn does without";
        return Err(Error::request("--calibration", format!("a file for {}", Method::calibrated_names()), "none", fix).into());
    }
    let mut machine = Machine::new(args)?;
    let mut models: Vec<Model> = Vec::new();
    for name in &args.model {
        let model = Model::open(name, args, &matrix, &machine)?;
        if models.iter().any(|other| other.name == model.name) {
            let fix = "give the folders different names: results are kept and shown by them";
            return Err(Error::request("--model", "models with different names", &model.name, fix).into());
        }
        models.push(model);
    }
    print_out(&plan(args, &machine, &models, &forms)?)?;
    if args.plan {
        return Ok(Outcome::Done);
    }
    machine.probe(args)?;
    let mut study = Study {
        schema: SCHEMA,
        title: format!(
            "What quantization costs: {}",
            models.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ")
        ),
        note: args.note.clone(),
        conditions: conditions(args, &machine, &models),
        runs: Vec::new(),
        failures: Vec::new(),
        missing: models.iter().flat_map(|m| forms.iter().map(|form| form_name(m, form))).collect(),
    };
    let (mut written, mut took) = (Instant::now(), Vec::new());
    for model in &mut models {
        let mut prepared = model.prepared.take();
        for form in &forms {
            let name = form_name(model, form);
            let left = study.missing.len();
            let hours = took.iter().sum::<f64>() / took.len() as f64 * left as f64 / 3600.0;
            let eta = if took.is_empty() { String::new() } else { format!(", about {hours:.1} hours left") };
            note(&format!(
                "== {name}: {} of {}{eta}",
                study.runs.len() + study.failures.len() + 1,
                args.model.len() * forms.len()
            ));
            let start = Instant::now();
            let measuring = Measuring::new(args, &machine, model, form, &mut study.conditions);
            match measuring.and_then(|measuring| measuring.run(prepared.as_mut())) {
                Ok(run) => study.runs.push(run),
                Err(error) if ends_all(&error) => return Err(error),
                Err(error) => {
                    note(&format!("{name} is left out: {error:#}"));
                    study.failures.push(Fact { name: name.clone(), value: format!("{error:#}") });
                }
            }
            study.missing.retain(|other| *other != name);
            // Forms that were measured before say nothing of those to come.
            took.extend(Some(start.elapsed().as_secs_f64()).filter(|seconds| *seconds > 10.0));
            // So that a long study can be looked at while it runs.
            if written.elapsed() > REWRITE {
                crate::report::write(&study, &args.out)?;
                written = Instant::now();
            }
        }
    }
    crate::report::write(&study, &args.out)?;
    note(&format!("report: {}", args.out.join("report.html").display()));
    Ok(if study.failures.is_empty() { Outcome::Done } else { Outcome::Failed })
}

/// The report takes seconds to write, so that forms measured before do not each write one.
const REWRITE: Duration = Duration::from_secs(60);

fn form_name(model: &Model, form: &Form) -> String {
    format!("{} {}", model.name, form.name)
}

/// Whether the next form would fare no better.
pub(super) fn ends_all(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Error>() {
        Some(Error::NotFinite { .. } | Error::OutOfMemory { .. } | Error::Unsupported { .. }) => false,
        // What a quantizer says of a layer.
        Some(Error::Request { .. } | Error::Malformed { .. }) => false,
        _ => true,
    }
}

/// A model of the study, without its weights.
pub(super) struct Model {
    pub name: String,
    pub path: PathBuf,
    pub parameters: u64,
    pub digest: String,
    pub tokenizer: String,
    /// How many of its weights are stored in which format.
    stored: String,
    /// The tokens of each text's windows, one after another.
    pub texts: Vec<(&'static Text, Vec<u32>)>,
    pub window: usize,
    pub context: usize,
    /// The benchmarks' requests, to one of its forms.
    pub prepared: Option<Prepared>,
}

impl Model {
    fn open(name: &str, args: &Args, matrix: &Matrix, machine: &Machine) -> anyhow::Result<Model> {
        let path = PathBuf::from(name);
        let checkpoint = Checkpoint::open(&path)?;
        let tokenizer = crate::generate::load::tokenizer(&checkpoint, &path)?;
        let config = Config::from_json(&checkpoint.config, &load::config_file(&path))?;
        let context = load::within("--context", args.context, 4096, &config)?;
        let window = load::within("--window", args.window, 2048, &config)?;
        let mut texts = Vec::new();
        for text in &matrix.texts {
            let ids = tokenizer.encode(&text.read(&args.data)?)?;
            let windows = perplexity::windows(&ids, window, args.windows)?;
            texts.push((*text, windows.concat()));
        }
        let name =
            std::path::absolute(&path)?.file_name().map_or(name.to_owned(), |n| n.to_string_lossy().into_owned());
        let name = name.strip_suffix(".gguf").map_or(name.clone(), str::to_owned);
        let what = (!matrix.tasks.is_empty()).then(|| What {
            tasks: matrix.tasks.clone(),
            data: args.data.clone(),
            shots: args.shots,
            limit: args.limit.clone(),
            reply_tokens: args.reply_tokens,
            ..What::default()
        });
        let settings = what.map(|what| Settings {
            model: path.clone(),
            label: name.clone(),
            context,
            path: args.device.path.name(),
            adapter: machine.scores.clone(),
            judge: None,
            what,
        });
        Ok(Model {
            name,
            parameters: checkpoint.tensors().iter().map(|tensor| tensor.elements() as u64).sum(),
            digest: model_digest(&checkpoint)?,
            tokenizer: tokenizer.digest().to_owned(),
            stored: stored(&checkpoint),
            path,
            texts,
            window,
            context,
            prepared: settings.map(Prepared::new).transpose()?,
        })
    }

    /// One of its forms, ready to run.
    pub fn load(&self, files: &Path, args: &Args, path: PathArg) -> anyhow::Result<Loaded> {
        let model = ModelArgs {
            model: files.display().to_string(),
            context: Some(self.context.max(self.window)),
            quant: None,
            calibration: None,
            calibration_samples: args.calibration.samples,
            calibration_length: args.calibration.length,
            device: args.device_on(path),
        };
        model.load()
    }

    /// Its 16-bit form is what its file says in as many bits, which may have been fewer.
    pub fn facts(&self) -> Vec<Fact> {
        let fact = |name: &str, value: &str| Fact { name: format!("{} {name}", self.name), value: value.to_owned() };
        vec![fact("is stored in", &self.stored), fact("context", &self.context.to_string())]
    }
}
