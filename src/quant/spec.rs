//! What the command line calls a quantization: `gptq:4`.

use std::fmt;
use std::str::FromStr;

/// The ways to quantize a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Round to nearest: the grid without error feedback.
    Rtn,
    /// LLM.int8() (Dettmers et al., 2022).
    Int8,
    /// Frantar et al., 2022.
    Gptq,
    /// Dettmers et al., 2023.
    Spqr,
}

impl Method {
    pub const ALL: [Method; 4] = [Method::Rtn, Method::Int8, Method::Gptq, Method::Spqr];

    pub fn name(self) -> &'static str {
        match self {
            Method::Rtn => "rtn",
            Method::Int8 => "int8",
            Method::Gptq => "gptq",
            Method::Spqr => "spqr",
        }
    }

    /// Widths of code the method has.
    pub fn bits(self) -> &'static [u32] {
        match self {
            Method::Int8 => &[8],
            _ => &[2, 3, 4, 8],
        }
    }

    /// Whether it needs the inputs of each layer.
    pub fn is_calibrated(self) -> bool {
        matches!(self, Method::Gptq | Method::Spqr)
    }
}

/// A method and its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quant {
    pub method: Method,
    pub bits: u32,
}

impl fmt::Display for Quant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.method {
            Method::Int8 => f.write_str("int8"),
            method => write!(f, "{}:{}", method.name(), self.bits),
        }
    }
}

impl FromStr for Quant {
    type Err = String;

    fn from_str(text: &str) -> Result<Quant, String> {
        let known = "int8, or rtn, gptq or spqr with bits, such as gptq:4";
        let (name, bits) = text.split_once(':').unwrap_or((text, ""));
        let method = Method::ALL.into_iter().find(|m| m.name() == name).ok_or(known)?;
        let bits = match bits {
            "" if method == Method::Int8 => 8,
            bits => bits.parse().map_err(|_| known)?,
        };
        if !method.bits().contains(&bits) {
            return Err(format!("{name} has {:?} bits", method.bits()));
        }
        Ok(Quant { method, bits })
    }
}
