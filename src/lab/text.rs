//! Texts of the variants: each as a compiler gets it, with its constants.

use std::path::{Path, PathBuf};

use naga::valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

use super::radv::{AmdCard, CARDS};
use crate::error::{Error, Result};
use crate::formats::{self, gguf::blocks::BLOCKS};
use crate::gpu::{Class, pipeline, tuning};
use crate::plan::dispatch::entries;
use crate::plan::{Consts, Kernel, Variant};

/// One text of a variant: a shader for one width of code or one GGUF block type, or the variant's only one.
#[derive(Clone, Debug)]
pub struct ShaderText {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// The variant.
    pub variant: &'static Variant,
    /// Values of the shader's overrides, which also choose its files.
    pub consts: Consts,
    /// Entry point of the shader: `main`, or `merge` of a variant that has two.
    pub entry: &'static str,
    /// Name of the GGUF block type, where the text is made for one.
    pub block: Option<&'static str>,
}

/// Which texts of a kernel are wanted, and from where.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct TextSelection {
    /// One variant instead of all
    #[cfg_attr(feature = "cli", arg(long))]
    pub variant: Option<String>,
    /// One width instead of all: bits of a weight, or of a value in the cache
    #[cfg_attr(feature = "cli", arg(long))]
    pub width: Option<u32>,
    /// AMD chip: gfx1100 (RDNA3) or navi21 (RDNA2)
    #[cfg_attr(feature = "cli", arg(long))]
    pub card: Option<String>,
    /// Folder of edited shaders, which replace the built-in ones of the same name
    #[cfg_attr(feature = "cli", arg(long, value_name = "DIR"))]
    pub shaders: Option<PathBuf>,
}

impl TextSelection {
    /// Returns the texts of the kernels whose names begin with `kernel`, with the constants of a discrete card whose
    /// largest subgroup is `subgroup_max`.
    ///
    /// # Errors
    /// There are none.
    pub fn texts(&self, kernel: &str, subgroup_max: u32) -> Result<Vec<ShaderText>> {
        let mut texts = Vec::new();
        for kernel in formats::kernels().filter(|k| k.name.starts_with(kernel)) {
            for variant in kernel.variants.iter().filter(|v| self.variant.as_ref().is_none_or(|name| v.name == name)) {
                texts.extend(ShaderText::all(kernel, variant, subgroup_max));
            }
        }
        texts.retain(|text| self.width.is_none_or(|width| text.width() == Some(width)));
        if texts.is_empty() {
            let names: Vec<&str> = formats::kernels().map(|k| k.name).collect();
            return Err(Error::request(
                "`kernel`, `variant`, `width`",
                format!("names of {} and a width they have", names.join(", ")),
                format!("{kernel}, {:?}, {:?}", self.variant, self.width),
                "see `qwgpu devices` for the variants",
            ));
        }
        Ok(texts)
    }

    /// Returns the cards that are wanted: all, or the one that is named.
    ///
    /// # Errors
    /// There is no card of this name.
    pub fn cards(&self) -> Result<Vec<&'static AmdCard>> {
        let cards: Vec<_> =
            CARDS.iter().filter(|card| self.card.as_ref().is_none_or(|name| card.name == name)).collect();
        let names = || CARDS.iter().map(|card| card.name).collect::<Vec<_>>().join(" or ");
        match cards.is_empty() {
            true => {
                Err(Error::request("`card`", names(), self.card.as_deref().unwrap_or_default(), "name one of these"))
            }
            false => Ok(cards),
        }
    }
}

impl ShaderText {
    /// Returns all texts of a variant.
    pub fn all(kernel: &'static Kernel, variant: &'static Variant, subgroup_max: u32) -> Vec<ShaderText> {
        let tuned = tuning::consts(kernel, variant, Class::Discrete, subgroup_max);
        let chooses = |(name, _): &(&str, u32)| variant.wgsl.iter().any(|f| f.only.is_some_and(|(n, _)| n == *name));
        let texts = |(_, chosen): (String, Consts)| {
            let consts = tuned.clone().specialized(&chosen.iter().filter(chooses).collect::<Vec<_>>());
            let id = consts.iter().find(|(name, _)| *name == "BLOCK").map(|(_, id)| id);
            let block = BLOCKS.iter().find(|block| Some(block.id) == id).map(|block| block.name);
            let entries = entries(&consts).iter().copied();
            entries.map(move |entry| ShaderText { kernel, variant, consts: consts.clone(), entry, block })
        };
        variant.texts().into_iter().flat_map(texts).collect()
    }

    /// Returns whether the variant takes a file of `shaders/`, by its stem.
    pub fn takes(&self, stem: &str) -> bool {
        self.variant.wgsl.iter().any(|file| file.stem == stem && file.is_taken(&self.consts))
    }

    /// Returns whether the kernel multiplies by weights.
    pub fn is_product(&self) -> bool {
        self.kernel.params.iter().any(|(name, _)| *name == "bits")
    }

    /// Returns the bits that a weight takes, scales aside: of its code or of bf16; or those of a value in the cache. None
    /// for kernels without either.
    pub fn width(&self) -> Option<u32> {
        if let Some((_, bits)) = self.consts.iter().find(|(name, _)| *name == "CACHE") {
            return Some(bits);
        }
        if !self.is_product() && self.block.is_none() {
            return None;
        }
        let taken = || self.variant.wgsl.iter().filter(|file| file.is_taken(&self.consts));
        let codes = taken().find_map(|file| {
            let bits = ["lib/codes_", "lib/units_"].iter().find_map(|start| file.stem.strip_prefix(start))?;
            bits.parse().ok()
        });
        let plain = [("_bf16", 16), ("_int8", 8)].iter().find(|(end, _)| self.kernel.name.ends_with(end));
        codes.or(plain.map(|(_, bits)| *bits))
    }

    /// Returns kernel, variant, width and an entry point other than `main`, as `matvec_grid/subgroup/4`.
    pub fn name(&self) -> String {
        let width = self.block.map(str::to_owned).or(self.width().map(|bits| bits.to_string()));
        let entry = (self.entry != "main").then(|| self.entry.to_owned());
        let names = [self.kernel.name, self.variant.name].map(str::to_owned);
        names.into_iter().chain(width).chain(entry).collect::<Vec<_>>().join("/")
    }

    /// Parses and validates the shader, and sets its overrides. Its entry point is named `main`. `folder` may hold edited shaders.
    ///
    /// # Errors
    /// [`Error::Shader`] with the compiler's message, which names the line; a file of the folder cannot be read.
    pub fn module(&self, folder: Option<&Path>, granted: Capabilities) -> Result<(naga::Module, ModuleInfo)> {
        let fail = |message: String| self.error(message);
        let text = pipeline::source(self.variant, &self.consts, folder)?;
        let module = naga::front::wgsl::parse_str(&text).map_err(|e| fail(e.emit_to_string(&text)))?;
        pipeline::check_params(self.kernel, &module).map_err(fail)?;
        let info = Validator::new(ValidationFlags::all(), granted)
            .subgroup_stages(ShaderStages::COMPUTE)
            .subgroup_operations(SubgroupOperationSet::all())
            .validate(&module)
            .map_err(|e| fail(e.emit_to_string(&text)))?;
        let constants = pipeline::constants(&self.consts, &module).into_iter().map(|(n, v)| (n.to_owned(), v));
        let entry = Some((naga::ShaderStage::Compute, self.entry));
        let (module, info) =
            naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants.collect())
                .map_err(|e| fail(e.to_string()))?;
        let mut module = module.into_owned();
        // The only one that is left.
        module.entry_points.iter_mut().for_each(|entry| entry.name = "main".into());
        Ok((module, info.into_owned()))
    }

    /// Returns the error that a compiler's message about this text makes.
    pub fn error(&self, message: String) -> Error {
        Error::Shader { kernel: self.kernel.name.into(), variant: self.variant.name.into(), message }
    }
}
