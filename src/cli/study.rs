//! `qwgpu study`: several forms of several models, measured alike, and the report of it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::eval::{Prepared, Settings, What, whole_names};
use super::model::{DeviceArgs, ModelArgs, PathArg};
use super::output::{note, print_out, size};
use super::quantize::{self, Calibration};
use super::study_form::{Measuring, Step};
use super::{Outcome, count, interrupt};
use crate::bench::report::{commit, today};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::eval::perplexity;
use crate::generate::Loaded;
use crate::quant::Method;
use crate::quantize::model_digest;
use crate::report::data::{Conditions, Fact, SCHEMA, Study};
use crate::study::texts::Text;
use crate::study::{Extras, Form, forms};

pub const HELP: &str = "\
Measures each model as it is and quantized by each method at each width: perplexity on texts, benchmarks, memory and
speed. What is quantized, asked or measured already is not done again, so a study that was stopped goes on. At the
end, and after every form of a model, OUT/report.html says what was found; beside it lie figures, CSV and study.json.

Before anything long begins the matrix is printed with its cost: bytes, tokens, and hours at the rate measured here.
--plan stops there.

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
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = quantize::method)]
    methods: Option<Vec<Method>>,
    /// Widths [default: 8,4,3,2]
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
    /// Tokens of a window of perplexity
    #[arg(long, default_value_t = 2048, value_name = "TOKENS", value_parser = count)]
    window: usize,
    /// Windows of each text [default: all]
    #[arg(long, value_name = "N", value_parser = count)]
    windows: Option<usize>,
    /// The folder with tasks' data and texts
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Few-shot examples [default: each profile's]
    #[arg(long, value_name = "N")]
    shots: Option<usize>,
    /// Ask only the first N documents of each set
    #[arg(long, value_name = "N", value_parser = count)]
    limit: Option<usize>,
    /// Longest sequence in tokens
    #[arg(long, default_value_t = 4096, value_name = "TOKENS", value_parser = count)]
    pub(super) context: usize,
    /// Prompt and generated tokens of the measurement of speed; 0/0 leaves it out
    #[arg(long, default_value = "512/128", value_name = "P/G", value_parser = lengths)]
    pub(super) speed: (usize, usize),
    #[command(flatten)]
    pub(super) calibration: Calibration,
    /// The folder for everything
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
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

/// What is measured, after the preset.
struct Matrix {
    methods: Vec<Method>,
    bits: Vec<u32>,
    extras: Extras,
    texts: Vec<&'static Text>,
    tasks: Vec<String>,
}

impl Matrix {
    fn of(args: &Args) -> Result<Matrix> {
        use Method::{Gptq, Int8, Spqr};
        let (methods, bits, texts): (&[Method], &[u32], &[&str]) = match args.preset {
            None => (&[Int8, Gptq, Spqr], &[8, 4, 3, 2], &["wikitext2"]),
            Some(Preset::Correlation) => (&[Gptq, Spqr], &[4, 3], &["wikitext2", "ptb", "c4"]),
            Some(Preset::Outliers) => (&[Gptq, Spqr], &[4, 3, 2], &["wikitext2"]),
            Some(Preset::Efficiency) => (&[Int8, Gptq], &[8, 4], &[]),
        };
        let outliers = args.preset == Some(Preset::Outliers);
        let texts = args.texts.clone().unwrap_or_else(|| texts.iter().map(|text| (*text).to_owned()).collect());
        let bits = args.bits.clone().unwrap_or_else(|| bits.to_vec());
        if let Some(wrong) = bits.iter().find(|bits| ![8, 4, 3, 2].contains(*bits)) {
            return Err(Error::request("--bits", "some of 8, 4, 3, 2", wrong, "choose among these"));
        }
        Ok(Matrix {
            methods: args.methods.clone().unwrap_or_else(|| methods.to_vec()),
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
        |form: &Form| form.settings.as_ref().is_some_and(|s| [Method::Gptq, Method::Spqr].contains(&s.quant().method));
    if args.calibration.file.is_none() && forms.iter().any(calibrated) {
        let fix = "give a text, .jsonl or .json; --methods int8,rtn does without";
        return Err(Error::request("--calibration", "a file for gptq and spqr", "none", fix).into());
    }
    let models: Vec<Model> =
        args.model.iter().map(|name| Model::open(name, args, &matrix)).collect::<anyhow::Result<_>>()?;
    print_out(&plan(args, &models, &forms)?)?;
    if args.plan {
        return Ok(Outcome::Done);
    }
    let mut study = Study {
        schema: SCHEMA,
        title: format!(
            "What quantization costs: {}",
            models.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ")
        ),
        note: None,
        conditions: conditions(args, &models),
        runs: Vec::new(),
    };
    for model in &models {
        for form in &forms {
            note(&format!("== {} {}", model.name, form.name));
            let run = Measuring::new(args, model, form, &mut study.conditions)?.run()?;
            study.runs.push(run);
            // After each, so that a long study can be looked at while it runs.
            crate::report::write(&study, &args.out)?;
        }
    }
    note(&format!("report: {}", args.out.join("report.html").display()));
    Ok(Outcome::Done)
}

/// A model of the study, without its weights.
pub(super) struct Model {
    pub name: String,
    pub path: PathBuf,
    pub parameters: u64,
    digest: String,
    /// Windows of each text.
    pub texts: Vec<(&'static Text, Vec<Vec<u32>>)>,
    /// Tokens that the benchmarks ask of it.
    asked: usize,
    what: Option<What>,
}

impl Model {
    fn open(name: &str, args: &Args, matrix: &Matrix) -> anyhow::Result<Model> {
        let path = PathBuf::from(name);
        let checkpoint = Checkpoint::open(&path)?;
        let tokenizer = crate::generate::load::tokenizer(&checkpoint, &path)?;
        let mut texts = Vec::new();
        for text in &matrix.texts {
            let ids = tokenizer.encode(&text.read(&args.data)?)?;
            let windows = perplexity::windows(&ids, args.window, args.windows)?;
            texts.push((*text, windows.into_iter().map(<[u32]>::to_vec).collect()));
        }
        let what = (!matrix.tasks.is_empty()).then(|| What {
            tasks: matrix.tasks.clone(),
            data: args.data.clone(),
            shots: args.shots,
            limit: args.limit,
            ..What::default()
        });
        let label = path.file_stem().map_or(name.to_owned(), |stem| stem.to_string_lossy().into_owned());
        let mut model = Model {
            name: label,
            parameters: checkpoint.tensors().iter().map(|tensor| tensor.elements() as u64).sum(),
            digest: model_digest(&checkpoint)?,
            path,
            texts,
            asked: 0,
            what,
        };
        if let Some(prepared) = model.prepared(&model.path, args.context, &model.name)? {
            let sets = prepared.tasks.iter().flat_map(|task| &task.sets);
            model.asked = sets.flat_map(|set| &set.documents).map(|asked| asked.tokens.count()).sum();
        }
        Ok(model)
    }

    /// The benchmarks' requests for the files at `path`.
    pub fn prepared(&self, path: &Path, context: usize, label: &str) -> anyhow::Result<Option<Prepared>> {
        let Some(what) = &self.what else { return Ok(None) };
        let settings =
            Settings { model: path.to_owned(), label: label.to_owned(), context, judge: None, what: what.clone() };
        Ok(Some(Prepared::new(settings)?))
    }
}

/// The matrix and what it costs.
fn plan(args: &Args, models: &[Model], forms: &[Form]) -> anyhow::Result<String> {
    let mut rows = vec![["model", "forms", "perplexity tokens", "benchmark tokens", "16-bit bytes"].map(str::to_owned)];
    let mut tokens = 0;
    for model in models {
        let windows: usize = model.texts.iter().map(|(_, windows)| windows.len() * args.window).sum();
        let bytes = size(2 * model.parameters);
        rows.push([model.name.clone(), forms.len().to_string(), windows.to_string(), model.asked.to_string(), bytes]);
        tokens += (windows + model.asked) * forms.len();
    }
    let names: Vec<&str> = forms.iter().map(|form| form.name.as_str()).collect();
    let mut text = super::output::columns(&rows) + &format!("forms: {}\n", names.join(", "));
    let rate = rate(args, &models[0])?;
    text += &format!(
        "{tokens} tokens at {rate:.0} a second, as measured on {}: {:.2} hours, less what prompts share, and the \
         quantizing\n",
        models[0].name,
        tokens as f64 / rate / 3600.0
    );
    Ok(text)
}

/// Tokens a second of the 16-bit model, measured over at most half a minute, or as measured before.
fn rate(args: &Args, model: &Model) -> anyhow::Result<f64> {
    let step =
        Step { folder: args.out.clone(), key: json!([model.digest, args.device.path.name(), args.device.device]) };
    step.done("rate", || {
        let mut loaded = load(&model.path, args)?;
        let ids: Vec<u32> = (0..loaded.engine.chunk() as u32).map(|i| 1000 + i * 7 % 900).collect();
        loaded.engine.prefill(&ids)?;
        let (start, mut tokens) = (Instant::now(), 0);
        while start.elapsed().as_secs() < 30 && tokens < 16 * ids.len() {
            interrupt::check()?;
            loaded.engine.truncate(0);
            loaded.engine.prefill(&ids)?;
            tokens += ids.len();
        }
        Ok(tokens as f64 / start.elapsed().as_secs_f64())
    })
}

pub(super) fn load(path: &Path, args: &Args) -> anyhow::Result<Loaded> {
    let model = ModelArgs {
        model: path.display().to_string(),
        context: Some(args.context.max(args.window)),
        quant: None,
        calibration: None,
        calibration_samples: args.calibration.samples,
        calibration_length: args.calibration.length,
        device: args.device.clone(),
    };
    model.load()
}

fn conditions(args: &Args, models: &[Model]) -> Conditions {
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
    let adapter = match args.device.path {
        PathArg::Cpu => "CPU reference".to_owned(),
        _ => args.device.device.clone().unwrap_or_else(|| "the first in `qwgpu devices`".into()),
    };
    let version =
        commit().map_or(env!("CARGO_PKG_VERSION").to_owned(), |c| format!("{} at {c}", env!("CARGO_PKG_VERSION")));
    Conditions {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        date: today(),
        qwgpu: version,
        adapter,
        driver: None,
        path: args.device.path.name(),
        perplexity_protocol: format!("disjoint windows of {} tokens, no token in front, each on its own", args.window),
        speed_protocol: format!(
            "prompt {} and {} generated, batch 1, greedy, after one run",
            args.speed.0, args.speed.1
        ),
        digests: models.iter().map(|model| fact(&model.name, model.digest.clone())).collect(),
        seeds: vec![fact("few-shot examples", "1234".into())],
        others: vec![
            fact("calibration", args.calibration.file.as_ref().map_or("none".into(), |f| f.display().to_string())),
            fact("calibration samples", format!("{} of {} tokens", args.calibration.samples, args.calibration.length)),
        ],
    }
}
