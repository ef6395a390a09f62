//! Values of flags: what was typed, checked.

use std::str::FromStr;

use clap::ValueEnum;
use s2infer::infer::engine::{Device, EngineChoice};
use s2infer::model::manifest::Tta;

/// `--engine`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// ONNX Runtime where its library is found, else tract; OpenVINO for what these cannot compute.
    Auto,
    /// ONNX Runtime or an error.
    Ort,
    /// OpenVINO or an error.
    #[value(name = "openvino")]
    OpenVino,
    /// tract, built in.
    Tract,
}

impl From<EngineArg> for EngineChoice {
    fn from(arg: EngineArg) -> Self {
        match arg {
            EngineArg::Auto => Self::Auto,
            EngineArg::Ort => Self::Ort,
            EngineArg::OpenVino => Self::OpenVino,
            EngineArg::Tract => Self::Tract,
        }
    }
}

/// `--tta`
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TtaArg {
    /// The window as it is.
    None,
    /// Four views: both flips.
    Flips,
    /// All eight symmetries of the square.
    D4,
}

impl From<TtaArg> for Tta {
    fn from(arg: TtaArg) -> Self {
        match arg {
            TtaArg::None => Self::None,
            TtaArg::Flips => Self::Flips,
            TtaArg::D4 => Self::D4,
        }
    }
}

impl From<Tta> for TtaArg {
    fn from(tta: Tta) -> Self {
        match tta {
            Tta::None => Self::None,
            Tta::Flips => Self::Flips,
            Tta::D4 => Self::D4,
        }
    }
}

/// `--device`
#[derive(Debug, Clone, Copy)]
pub struct DeviceArg(pub Device);

impl FromStr for DeviceArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, index) = text.split_once(':').map_or((text, None), |(name, index)| (name, Some(index)));
        let number = match index {
            None => 0,
            Some(index) => index.parse().map_err(|_| format!("`{index}` is no device number"))?,
        };
        let device = match (name, index) {
            ("auto", None) => Device::Auto,
            ("cpu", None) => Device::Cpu,
            ("openvino", None) => Device::OpenVino,
            ("cuda", _) => Device::Cuda(number),
            ("tensorrt", _) => Device::TensorRt(number),
            _ => return Err("give auto, cpu, cuda, cuda:N, tensorrt, tensorrt:N or openvino".into()),
        };
        Ok(Self(device))
    }
}

/// `--batch`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchArg {
    /// Whatever is best; rows are the same.
    Auto,
    /// So many rows.
    Rows(u16),
}

impl BatchArg {
    /// The number, if one was given.
    pub fn rows(self) -> Option<usize> {
        match self {
            Self::Auto => None,
            Self::Rows(rows) => Some(rows.into()),
        }
    }
}

impl FromStr for BatchArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(rows @ 1..=4096)) => Ok(Self::Rows(rows)),
            _ => Err("give auto, or a number from 1 to 4096".into()),
        }
    }
}

/// A number that is finite.
pub fn finite(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| "give a finite number".into())
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|value| *value > 0.0).ok_or_else(|| "give a number above 0".into())
}

/// A probability.
pub fn share(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "give a number from 0 to 1".into())
}

/// A share in percent.
pub fn percent(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|value| (0.0..=100.0).contains(value)).ok_or_else(|| "give a percentage, 0 to 100".into())
}

/// A probability, ends excluded.
pub fn open_share(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|value| *value > 0.0 && *value < 1.0).ok_or_else(|| "give a number between 0 and 1".into())
}

/// A threshold as the program writes it: the nearest f32, 0 to 1.
pub fn threshold(text: &str) -> Result<f32, String> {
    text.parse::<f32>()
        .ok()
        .filter(|value| (0.0..=1.0).contains(value))
        .ok_or_else(|| "give a number from 0 to 1".into())
}

/// A factor or rate: finite, 0 or more.
pub fn not_negative(text: &str) -> Result<f32, String> {
    let number = finite(text).ok().filter(|value| *value >= 0.0);
    number.map(|value| value as f32).ok_or_else(|| "give a number of at least 0".into())
}
