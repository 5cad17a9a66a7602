//! Cards: what the model of their speed needs to know, each figure with its source. A card is one value in cards.json.

use serde::Deserialize;

use crate::emulator::lab::ShaderProfile;
use crate::error::{Error, Result};
use crate::gpu::Class;
use crate::plan::Needs;

/// Figure and its source. One that begins with `assumed` was found nowhere; the rest says why it is taken.
#[derive(Clone, Debug, Deserialize)]
pub struct Sourced<T>(pub T, pub String);

/// Card, or another adapter of which the figures are known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Name for `--card`.
    pub name: String,
    /// Parts of the names by which drivers list it.
    pub adapters: Vec<String>,
    /// Kind of adapter, which chooses variants.
    pub class: Class,
    /// Comparisons of predictions with measurements on this card, a sentence each.
    pub checked: Vec<String>,
    /// Features, by the names that `qwgpu devices` prints.
    pub features: Sourced<Vec<String>>,
    /// Lanes of a subgroup: those that the driver's compiler chooses.
    pub subgroup: Sourced<usize>,
    /// Most bytes a second by the data sheet, in GB.
    pub bandwidth_gb_s: Sourced<f64>,
    /// Bytes a second, read and written, of a plain copy, in GB.
    pub copy_gb_s: Sourced<f64>,
    /// Most bytes of one binding.
    pub max_binding: Sourced<u64>,
    /// Cores: SMs, compute units, Xe cores.
    pub cores: Sourced<f64>,
    /// Clock of the cores under load, in GHz.
    pub clock_ghz: Sourced<f64>,
    /// Lanes of 32 bits for which a core ends an instruction each clock: its VALU rate.
    pub lanes: Sourced<f64>,
    /// Those of them that compute on integers.
    pub int_lanes: Sourced<f64>,
    /// Most invocations that a core holds at once.
    pub resident: Sourced<f64>,
    /// Clocks of a product or a sum of floats, in those of an integer's: less than 1 where compilers make one instruction
    /// of a product and a sum.
    pub float_cost: Sourced<f64>,
    /// Clocks of a conversion, in those of an addition.
    pub convert_cost: Sourced<f64>,
    /// Clocks of a division, a root or an exponential, in those of an addition.
    pub special_cost: Sourced<f64>,
    /// Bytes a clock that a core's first cache gives.
    pub l1_bytes: Sourced<f64>,
    /// Bytes a clock that a core's workgroup memory gives.
    pub shared_bytes: Sourced<f64>,
    /// Operations a second of cooperative matrices on f16, in 10^12; 0 where there are none.
    pub matrix_tflops: Sourced<f64>,
    /// Microseconds that a dispatch adds when its work is next to nothing.
    pub dispatch_us: Sourced<f64>,
    /// Microseconds that the barrier before a dispatch adds.
    pub barrier_us: Sourced<f64>,
    /// Nanoseconds from a load of memory to its value under load.
    pub latency_ns: Sourced<f64>,
    /// The same of a load that the second cache has.
    pub cache_ns: Sourced<f64>,
    /// Loads that the driver's compiler keeps under way at once, where those of a loop do not need each other.
    pub in_flight: Sourced<f64>,
}

/// Returns every card.
pub fn cards() -> Vec<Card> {
    serde_json::from_str(include_str!("cards.json")).expect("a test parses cards.json")
}

impl Card {
    /// Returns the card of this name.
    ///
    /// # Errors
    /// There is none; the message lists them.
    pub fn named(name: &str) -> Result<Card> {
        let known = cards().iter().map(|card| card.name.clone()).collect::<Vec<_>>().join(", ");
        let same = |card: &Card| card.name.eq_ignore_ascii_case(name);
        let fix = "take one of these, or add the card to src/lab/cards.json";
        cards().into_iter().find(same).ok_or_else(|| Error::request("`card`", known, name, fix))
    }

    /// Returns the card that a driver lists by this name, if it is known. The longest match counts: `M3 Max` before `M3`.
    pub fn of_adapter(name: &str) -> Option<Card> {
        let part = |card: &Card| {
            let parts = card.adapters.iter().filter(|part| name.to_lowercase().contains(&part.to_lowercase()));
            parts.map(String::len).max()
        };
        cards().into_iter().filter(|card| part(card).is_some()).max_by_key(part)
    }

    /// Returns the features.
    ///
    /// # Errors
    /// A name that qwgpu does not know.
    pub fn has(&self) -> Result<Needs> {
        self.features.0.iter().try_fold(Needs::empty(), |all, name| {
            let unknown =
                || Error::request("`features`", "names of `qwgpu devices`", name, "correct src/lab/cards.json");
            Ok(all | Needs::from_name(&name.to_uppercase()).ok_or_else(unknown)?)
        })
    }

    /// Notes in profiles how many workgroups and invocations each core of this card gets.
    pub fn place(&self, profiles: &mut [ShaderProfile]) {
        for profile in profiles {
            profile.workgroups_per_core = Some(profile.workgroups as f64 / self.cores.0);
            profile.invocations_per_core = Some(profile.invocations as f64 / self.cores.0);
        }
    }
}
