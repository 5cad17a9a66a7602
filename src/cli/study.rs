//! `qwgpu study`: several forms of several models, measured alike, and the report of it.

use std::ffi::OsString;
use std::path::PathBuf;

use super::calibration::CalibrationArgs;
use super::interrupt;
use super::method_args::method_parser;
use super::model::{DeviceArgs, RunArgs, path};
use super::output::{ExitStatus, columns, note, print_json, print_out};
use super::progress::Bar;
use super::values::{count, lengths};
use crate::eval::limits::Limits;
use crate::formats::method::Method;
use crate::generate::Compute;
use crate::progress::Progress;
use crate::study::memory_speed::{ModelFiles, answer};
use crate::study::{Cost, Matrix, Study, StudySettings};
use crate::units::binary_bytes;

const HELP: &str = "\
A form is a model with a method, a width and options. Before anything long begins, the forms are printed with the cost: \
bytes, tokens, and hours at the rates measured here. What is done is never done again, so a study that was stopped goes on \
when the same command is given again.

Presets:
  correlation  perplexity at 4 and 3 bits against scores
  outliers     SpQR with and without outliers, in groups of 16 and 128, and at the true bits of GPTQ
  efficiency   LLM.int8() against GPTQ: memory and speed

Files:
  OUT/report.html   the report, written every minute or so between forms and at the end
  OUT/study.json    its numbers; CSV files and figures lie beside it

Exit codes: 1 if a form could not be measured, because it does not fit or computes NaN; the report names it.

Examples:
  qwgpu study --model Qwen2.5-0.5B --tasks mmlu,snli --limit 20 --data data \\
    --calibration c4.jsonl --out study
  qwgpu study --model Qwen2.5-0.5B --model Qwen2.5-1.5B --preset outliers --data data \\
    --calibration c4.jsonl --out study";

/// Compare quantization methods on a model, and write a report
///
/// Measures each model in 16 bits and quantized by each method at each width: perplexity on texts, benchmarks, memory and
/// speed.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    /// A Hugging Face folder or a .gguf file; may be given several times
    #[arg(long, value_name = "MODEL", required = true)]
    model: Vec<String>,
    /// Experiment: correlation, outliers or efficiency
    #[arg(long, value_name = "PRESET", value_parser = Matrix::experiment)]
    preset: Option<Matrix>,
    /// Methods, with commas between them [default: int8,gptq,spqr]
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = method_parser())]
    methods: Option<Vec<&'static Method>>,
    /// Bits of a code, for methods that have several widths [default: 8,4,3,2]
    #[arg(long, value_name = "BITS", value_delimiter = ',')]
    bits: Option<Vec<u32>>,
    /// Add the blocks of .gguf files as they are
    #[arg(long)]
    packed: bool,
    /// Add GPTQ at 2 and 3 bits with the options of `quantize --recipe best`
    #[arg(long)]
    best: bool,
    /// Add SpQR without outliers, and with groups of 128
    #[arg(long)]
    ablation: bool,
    /// Add SpQR at the true bits of GPTQ with one bit more
    #[arg(long)]
    equal_bits: bool,
    /// Benchmarks, with commas between them; see `qwgpu eval --help`
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    tasks: Vec<String>,
    /// Texts of the perplexity: wikitext2, ptb, c4 [default: wikitext2]
    #[arg(long, value_name = "TEXTS", value_delimiter = ',')]
    texts: Option<Vec<String>>,
    /// Tokens of a window of the perplexity [default: 2048, or less if a model was trained for less]
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    window: Option<usize>,
    /// Windows of each text [default: all]
    #[arg(long, value_name = "N", value_parser = count)]
    windows: Option<usize>,
    /// Measure the divergence from the 16-bit model on this many first tokens of each text, at most a window; 0 leaves
    /// it out
    #[arg(long, default_value_t = 2048, value_name = "TOKENS")]
    kl_tokens: usize,
    /// Folder with the data sets and texts
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Few-shot examples [default: that of each profile]
    #[arg(long, value_name = "N")]
    shots: Option<usize>,
    /// Use only the first N documents of each set; 100,mmlu=2 has another limit for one task
    #[arg(long, value_name = "N")]
    limit: Option<Limits>,
    /// Cut replies after this many tokens, where a task allows more
    #[arg(long = "max-new-tokens", visible_alias = "reply-tokens", value_name = "N", value_parser = count)]
    reply_tokens: Option<usize>,
    /// Longest sequence in tokens [default: 4096, or less if a model was trained for less]
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    context: Option<usize>,
    /// Measure the speed with this many tokens of prompt and reply; 0/0 leaves it out
    #[arg(long, default_value = "512/128", value_name = "P/G", value_parser = lengths)]
    speed: (usize, usize),
    /// Measure speed and memory on this path [default: that of --path]
    #[arg(long, value_name = "PATH", value_parser = path())]
    speed_path: Option<Compute>,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Folder for the report and all steps
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Text at the top of the report
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Print study.json's contents at the end; the forms and the cost go to standard error
    #[arg(long, conflicts_with = "plan")]
    json: bool,
    /// Print the forms and the cost, then stop
    #[arg(long)]
    plan: bool,
    /// Measure the speed and memory of one form, given in JSON; the study gives this to a process of its own
    #[arg(long, value_name = "FORM", hide = true, value_parser = files)]
    measure_form: Option<ModelFiles>,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Args {
    fn settings(&self, arguments: &[OsString]) -> StudySettings {
        let matrix = self.preset.clone().unwrap_or_default();
        StudySettings {
            models: self.model.clone(),
            matrix: Matrix {
                methods: self.methods.clone().unwrap_or(matrix.methods),
                bits: self.bits.clone().unwrap_or(matrix.bits),
                packed: self.packed,
                best: self.best,
                ablation: self.ablation || matrix.ablation,
                equal_bits: self.equal_bits || matrix.equal_bits,
                texts: self.texts.clone().unwrap_or(matrix.texts),
                tasks: self.tasks.clone(),
            },
            window: self.window,
            windows: self.windows,
            kl_tokens: self.kl_tokens,
            data: self.data.clone(),
            shots: self.shots,
            limit: self.limit.clone(),
            reply_tokens: self.reply_tokens,
            context: self.context,
            speed: self.speed,
            speed_path: self.speed_path,
            calibration: self.calibration.choice(),
            device: self.device.with(self.run),
            out: self.out.clone(),
            note: self.note.clone(),
            child: Some(child(arguments)),
            command: command(arguments),
        }
    }
}

fn files(text: &str) -> Result<ModelFiles, serde_json::Error> {
    serde_json::from_str(text)
}

/// Returns the command that measures a form, which follows it, in a process of its own.
fn child(arguments: &[OsString]) -> Vec<OsString> {
    // Where a new build has taken the place of the running program's file, its own is still there.
    let program = match cfg!(target_os = "linux") {
        true => "/proc/self/exe".into(),
        false => std::env::current_exe().map_or_else(|_| arguments[0].clone(), OsString::from),
    };
    [program].into_iter().chain(arguments[1..].iter().cloned()).chain(["--measure-form".into()]).collect()
}

/// Returns the command as a shell reads it back; `arguments` begin with the program's name.
fn command(arguments: &[OsString]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    let quoted = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        match !argument.is_empty() && argument.chars().all(plain) {
            true => argument.into_owned(),
            false => format!("'{}'", argument.replace('\'', r"'\''")),
        }
    };
    let arguments: Vec<String> = arguments.iter().skip(1).map(quoted).collect();
    format!("qwgpu {}", arguments.join(" "))
}

pub fn run(args: &Args, arguments: &[OsString]) -> anyhow::Result<ExitStatus> {
    let mut bar = Bar::new();
    let settings = args.settings(arguments);
    if let Some(files) = &args.measure_form {
        interrupt::end_with_parent();
        print_out(&answer(&settings, files, &mut bar)?)?;
        return Ok(ExitStatus::Done);
    }
    let mut study = Study::prepare(settings)?;
    if !args.plan {
        study.begin()?;
    }
    if args.preset.is_some() && (args.methods.is_some() || args.bits.is_some() || args.texts.is_some()) {
        bar.note("--methods, --bits and --texts replace those of --preset");
    }
    let plan = plan(&study.cost(&mut bar)?);
    if args.json {
        note(plan.trim_end());
    } else {
        print_out(&plan)?;
    }
    if args.plan {
        return Ok(ExitStatus::Done);
    }
    let found = study.run(&mut bar)?;
    if args.json {
        print_json(&serde_json::to_value(&found)?)?;
    }
    note(&format!("report: {}", args.out.join("report.html").display()));
    Ok(if found.failures.is_empty() { ExitStatus::Done } else { ExitStatus::Failed })
}

/// Formats the forms and their cost.
fn plan(cost: &Cost) -> String {
    let head = ["model", "forms", "perplexity tokens", "prompt tokens", "reply tokens, at most", "16-bit bytes"];
    let mut rows = vec![head.map(str::to_owned)];
    for model in &cost.models {
        let counts = [model.forms, model.perplexity_tokens, model.prompt_tokens, model.reply_tokens];
        let [forms, texts, prompts, replies] = counts.map(|count| count.to_string());
        rows.push([model.name.clone(), forms, texts, prompts, replies, binary_bytes(model.bytes)]);
    }
    let first = &cost.models[0].name;
    let said = match &cost.rates {
        Ok([read, written]) => format!(
            "at {read:.0} tokens a second read and {written:.0} written, one sequence, as measured on {first}, what is not \
             done yet takes {}, and the quantizing; larger models in proportion",
            hours(cost.hours)
        ),
        Err(why) => format!("hours unknown, since {first} does not run here in 16 bits: {why}"),
    };
    format!("{}forms: {}\n{said}\n", columns(&rows), cost.forms.join(", "))
}

/// Formats a time: `2.3 hours`, `14 minutes`, `less than a minute`.
fn hours(hours: f64) -> String {
    match hours * 60.0 {
        ..1.0 => "less than a minute".to_owned(),
        minutes @ ..90.0 => format!("at most {minutes:.0} minutes"),
        _ => format!("at most {hours:.1} hours"),
    }
}
