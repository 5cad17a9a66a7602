//! Angles of the rotary position embedding.

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
