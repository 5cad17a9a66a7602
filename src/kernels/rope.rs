//! Rotary position embedding, half rotation, in place (Su et al., 2021, as in GPT-NeoX).

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { pub(super) struct Params { pub(super) heads: u32, pub(super) head_dim: u32 } }

/// A change of the rotation's frequencies that lets a model run beyond the context it was trained at.
/// Field names are those of `rope_scaling` in config.json.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RopeScaling {
    /// None: the frequencies stay.
    #[default]
    None,
    /// Every frequency divided by `factor` (Chen et al., 2023).
    Linear {
        /// Divisor.
        factor: f32,
    },
    /// Llama 3.1's: low frequencies divided by `factor`, high ones kept, a ramp between.
    Llama3 {
        /// Divisor of low frequencies.
        factor: f32,
        /// Wavelengths above the original context divided by this are low frequencies.
        low_freq_factor: f32,
        /// Wavelengths below the original context divided by this are high frequencies.
        high_freq_factor: f32,
        /// Tokens of the context before scaling.
        original_max_position_embeddings: usize,
    },
    /// The frequencies' divisors, [head_dim / 2]: `rope_freqs.weight` of a GGUF file.
    Factors(Vec<f32>),
}

impl RopeScaling {
    /// Scales `frequencies` [head_dim / 2] in place, in f32 and in the order of transformers' operations.
    ///
    /// # Panics
    /// If there are not as many factors as frequencies.
    fn scale(&self, frequencies: &mut [f32]) {
        match self {
            RopeScaling::None => {}
            RopeScaling::Linear { factor } => frequencies.iter_mut().for_each(|f| *f /= factor),
            RopeScaling::Factors(factors) => {
                assert_eq!(factors.len(), frequencies.len(), "a factor for each frequency");
                frequencies.iter_mut().zip(factors).for_each(|(f, factor)| *f /= factor);
            }
            &RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                let context = original_max_position_embeddings as f32;
                for f in frequencies {
                    let wavelength = 2.0 * std::f32::consts::PI / *f;
                    if wavelength > context / low_freq_factor {
                        *f /= factor;
                    } else if wavelength >= context / high_freq_factor {
                        let smooth = (context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                        *f = (1.0 - smooth) * *f / factor + smooth * *f;
                    }
                }
            }
        }
    }
}

/// Computes the angles' cosines and sines, [positions, head_dim]: half a row of each. The CPU does it,
/// where sin and cos are good for large angles; angles are the f32 products of position and
/// frequency, as the references have them.
pub fn rope_table(positions: usize, head_dim: usize, theta: f64, scaling: &RopeScaling) -> Vec<f32> {
    // Radians that each pair of a head turns by from one position to the next.
    let mut frequencies: Vec<f32> =
        (0..head_dim / 2).map(|i| 1.0 / (theta as f32).powf((2 * i) as f32 / head_dim as f32)).collect();
    scaling.scale(&mut frequencies);
    let mut table = Vec::with_capacity(positions * head_dim);
    for position in 0..positions {
        let angles = frequencies.iter().map(|f| f64::from(position as f32 * f));
        table.extend(angles.clone().map(|a| a.cos() as f32));
        table.extend(angles.map(|a| a.sin() as f32));
    }
    table
}

impl Plan {
    /// Rotates `x` [m, heads · head_dim] in place by `table` [positions, head_dim].
    pub fn rope(&mut self, name: &str, position: Tensor, table: Tensor, x: Tensor) {
        let heads = x.cols / table.cols;
        assert_eq!(heads * table.cols, x.cols, "{name}: heads of {} in {x:?}", table.cols);
        position.expect("position", 1, x.rows, Element::U32);
        let params = Params { heads: heads as u32, head_dim: table.cols as u32 };
        let step =
            self.add(&KERNEL, name, params, &[position, table, x], [x.rows, x.cols / 2], 3 * (x.rows * x.cols) as u64);
        step.bytes = 2 * x.bytes() + (x.rows * table.cols * 4) as u64;
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "rope",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("rope", "lib/rope"), &[("WG", 64)], |c| [1, c.get("WG")], 1e-12)],
    reference,
    host: None,
    cases: &[
        Case::bench("1x14x64", |t| rope(t, 1, 14, 64)),
        Case::bench("128x28x128", |t| rope(t, 128, 28, 128)),
        Case::test("5x3x10", |t| rope(t, 5, 3, 10)),
    ],
};

fn rope(t: &mut Trial, m: usize, heads: usize, head_dim: usize) -> Tensor {
    let position = t.u32(1, m, (0..).map(|i| i * 3 + 1));
    let (table, x) = (t.f32(3 * m + 1, head_dim), t.f32(m, heads * head_dim));
    t.plan.rope("", position, table, x);
    x
}

fn reference(io: &mut Io) {
    let Params { heads, head_dim } = io.params();
    let (position, table) = (io.u32(0), io.f32(1));
    let (heads, dim) = (heads as usize, head_dim as usize);
    for (row, x) in io.out_f32().chunks_exact_mut(heads * dim).enumerate() {
        rotate(x, &table[position[row] as usize * dim..][..dim]);
    }
}

/// Rotates the heads of a row in place by the `angles` of its position, [head_dim].
pub(super) fn rotate(row: &mut [f32], angles: &[f32]) {
    let half = angles.len() / 2;
    let (cosines, sines) = angles.split_at(half);
    for head in row.chunks_exact_mut(angles.len()) {
        let (first, second) = head.split_at_mut(half);
        for i in 0..half {
            let (a, b) = (first[i], second[i]);
            first[i] = a * cosines[i] - b * sines[i];
            second[i] = b * cosines[i] + a * sines[i];
        }
    }
}
