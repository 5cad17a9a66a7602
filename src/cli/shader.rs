//! `qwgpu shader`: what a shader does wrong and what it costs, on an emulated adapter.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::interrupt;
use super::output::{ExitStatus, columns, print_json, print_out};
use super::progress::Bar;
use crate::emulator::lab::{self, Selection};
use crate::emulator::{ProfileChange, ShaderWatch, annotated, profile_rows};
use crate::formats::QuantType;
use crate::generate::KvType;
use crate::lab::{Card, compile, listing, predict, radv, text::TextSelection};

pub const HELP: &str = "\
An emulated adapter runs the shaders themselves, with subgroups of any size, on any machine. It watches
every access and counts every instruction, and gives the same result each time.

Examples:
  qwgpu shader sanitize                                       # all kernels, all variants
  qwgpu shader sanitize --kernel matvec_grid --shaders my     # edited copies in my/
  qwgpu shader profile rms_norm --subgroup 32,64
  qwgpu shader profile matvec_grid --variant subgroup --annotate
  qwgpu shader watch my rms_norm
  qwgpu shader compile --kernel matvec_grid                   # by AMD's compiler, without an AMD card
  qwgpu shader emit matvec_grid --variant subgroup --width 4 --to msl
  qwgpu shader predict --card 'RTX 4090' --model random:qwen2.5-7b --quant gptq:4";

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: ShaderCommand,
}

#[derive(clap::Subcommand)]
enum ShaderCommand {
    /// Find races, accesses out of bounds, divergent barriers and other faults
    Sanitize(Sanitize),
    /// Count instructions, memory requests, bank conflicts and barriers
    Profile(Profiling),
    /// Check, count and time edited shaders each time their files change
    Watch(Watching),
    /// Print a shader as a driver gets it, or as instructions of an AMD card
    Emit(Emission),
    /// Compile for AMD cards, which need not be here: registers, spills, waves, instructions, time
    Compile(Compilation),
    /// Predict the speed of a model on a card that is not here
    Predict(Predicting),
    #[command(hide = true)]
    Radv,
}

#[derive(clap::Args)]
struct Emission {
    /// Kernels whose names begin so
    kernel: String,
    /// spirv, msl, hlsl or glsl, as wgpu writes it; aco: AMD's instructions
    #[arg(long)]
    to: listing::EmitTarget,
    /// Write to this file instead, SPIR-V as the binary
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    chosen: TextSelection,
}

#[derive(clap::Args)]
struct Compilation {
    /// Kernels whose names begin so
    #[arg(long, default_value = "", hide_default_value = true)]
    kernel: String,
    #[command(flatten)]
    chosen: TextSelection,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Predicting {
    /// Card by its name; a wrong one lists all
    #[arg(long)]
    card: String,
    /// A Hugging Face folder, a .gguf file, or random:NAME for a published shape
    #[arg(long)]
    model: String,
    /// Quantization of the decoder layers, such as gptq:4
    #[arg(long, value_name = "METHOD:BITS")]
    quant: Option<QuantType>,
    /// Keys that the decoded token sees [default: 4096, or less if the model was trained for less]
    #[arg(long, value_name = "TOKENS")]
    context: Option<usize>,
    /// Predict the prefill of so many tokens, too
    #[arg(long, value_name = "TOKENS")]
    prompt: Option<usize>,
    /// Type of the keys and values in the cache
    #[arg(long, value_enum, value_name = "TYPE", default_value_t)]
    kv_cache: KvType,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Sanitize {
    /// Kernels whose names begin so
    #[arg(long)]
    kernel: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(clap::Args)]
struct Profiling {
    /// Kernels whose names begin so
    kernel: String,
    #[command(flatten)]
    chosen: Chosen,
    /// Card whose cores the workgroups are set against, in --json
    #[arg(long)]
    card: Option<String>,
    /// Print the shader with its counts beside each line
    #[arg(long, conflicts_with = "json")]
    annotate: bool,
    /// Compare with the edited shaders of this folder: before and after
    #[arg(long, value_name = "DIR", conflicts_with = "annotate")]
    against: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Watching {
    /// Folder of edited shaders, which replace the built-in ones of the same name
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Kernels whose names begin so
    kernel: String,
    #[command(flatten)]
    cases: Cases,
}

#[derive(clap::Args)]
struct Cases {
    /// One variant instead of all
    #[arg(long)]
    variant: Option<String>,
    /// One case instead of all small ones
    #[arg(long)]
    case: Option<String>,
    /// Lanes of a subgroup: 4, 8, 16, 32, 64 or 128
    #[arg(long, value_delimiter = ',', default_value = "32", value_parser = subgroup)]
    subgroup: Vec<usize>,
}

#[derive(clap::Args)]
struct Chosen {
    #[command(flatten)]
    cases: Cases,
    /// Folder of edited shaders, which replace the built-in ones of the same name
    #[arg(long, value_name = "DIR")]
    shaders: Option<PathBuf>,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

fn subgroup(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(lanes @ (4 | 8 | 16 | 32 | 64 | 128)) => Ok(lanes),
        _ => Err("expected 4, 8, 16, 32, 64 or 128".into()),
    }
}

impl Cases {
    fn selection(&self, kernel: Option<String>, shaders: Option<PathBuf>) -> Selection {
        let Cases { variant, case, subgroup } = self;
        Selection { kernel, variant: variant.clone(), case: case.clone(), subgroups: subgroup.clone(), shaders }
    }
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let qwgpu = std::env::current_exe()?;
    match &args.command {
        ShaderCommand::Sanitize(args) => return sanitize(args),
        ShaderCommand::Profile(args) => profile(args),
        ShaderCommand::Watch(args) => watch(args),
        ShaderCommand::Emit(a) => print_out(&listing::listing(&a.kernel, &a.chosen, a.to, a.out.as_deref(), &qwgpu)?),
        ShaderCommand::Compile(args) => {
            let reports = compile::compile(&args.kernel, &args.chosen, &qwgpu, &mut Bar::new())?;
            if args.json { print_json(&json!(reports)) } else { print_out(&columns(&compile::table(&reports))) }
        }
        ShaderCommand::Predict(args) => {
            let (card, lengths) = (Card::named(&args.card)?, [args.context, args.prompt]);
            let predicted = predict(&card, &args.model, args.quant, lengths, args.kv_cache, &mut Bar::new())?;
            if args.json { print_json(&json!(predicted)) } else { print_out(&predicted.text()) }
        }
        ShaderCommand::Radv => Ok(radv::serve(std::io::stdin().lock(), std::io::stdout().lock())?),
    }?;
    Ok(ExitStatus::Done)
}

fn sanitize(args: &Sanitize) -> anyhow::Result<ExitStatus> {
    let selection = args.chosen.cases.selection(args.kernel.clone(), args.chosen.shaders.clone());
    let faults = lab::sanitize(&selection, &mut Bar::new())?;
    if args.chosen.json {
        print_json(&json!(faults))?;
    } else {
        for fault in &faults {
            print_out(&format!("{fault}\n"))?;
        }
        let count = match faults.len() {
            0 => "no faults".to_owned(),
            1 => "1 fault".to_owned(),
            many => format!("{many} faults"),
        };
        print_out(&format!("{count}\n"))?;
    }
    Ok(if faults.is_empty() { ExitStatus::Done } else { ExitStatus::Failed })
}

fn profile(args: &Profiling) -> anyhow::Result<()> {
    let selection = args.chosen.cases.selection(Some(args.kernel.clone()), args.chosen.shaders.clone());
    let mut profiles = lab::profile(&selection, &mut Bar::new())?;
    if let Some(card) = &args.card {
        Card::named(card)?.place(&mut profiles);
    }
    if let Some(folder) = &args.against {
        let other = Selection { shaders: Some(folder.clone()), ..selection };
        let changes = ProfileChange::pairs(profiles, lab::profile(&other, &mut Bar::new())?);
        return match args.chosen.json {
            true => print_json(&json!(changes)),
            false => print_out(&changes.iter().map(ToString::to_string).collect::<String>()),
        };
    }
    match (args.chosen.json, args.annotate) {
        (true, _) => print_json(&json!(profiles)),
        (_, true) => print_out(&profiles.iter().map(annotated).collect::<String>()),
        _ => print_out(&columns(&profile_rows(&profiles))),
    }
}

fn watch(args: &Watching) -> anyhow::Result<()> {
    let selection = args.cases.selection(Some(args.kernel.clone()), None);
    let mut watch = ShaderWatch::new(selection, args.folder.clone(), &mut Bar::new())?;
    loop {
        if let Some(text) = watch.poll(&mut Bar::new())? {
            print_out(&text)?;
        }
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(200));
    }
}
