//! A network's named parameters and buffers.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::declaration;
use super::network::Architecture;
use crate::{Error, Result};

/// Named tensors in fp32 under the names of torchvision (ResNet) or timm (ConvNeXt): `layer1.0.conv1.weight`,
/// `bn1.running_mean`.
#[derive(Debug)]
pub struct Parameters {
    /// What they are the parameters of.
    pub architecture: Architecture,
    tensors: BTreeMap<String, Tensor>,
}

impl Parameters {
    /// A freshly initialised network. The same seed gives the same network.
    pub fn fresh(architecture: Architecture, seed: u64, device: Device) -> Self {
        tch::manual_seed(seed as i64);
        Self::on(architecture, declaration::tensors(&architecture), device)
    }

    /// Reads a safetensors file written by [`Parameters::write`] for a network of this architecture.
    ///
    /// # Errors
    /// [`crate::Kind::Malformed`] where the file cannot be read, or where a tensor is missing or has another shape.
    pub fn read(path: &Path, architecture: Architecture, device: Device) -> Result<Self> {
        let mut parameters = Self::on(architecture, declaration::tensors(&architecture), device);
        let read = read_safetensors(path)?;
        for (name, tensor) in &mut parameters.tensors {
            let source = read.get(name).filter(|source| source.size() == tensor.size());
            let source =
                source.ok_or_else(|| Error::malformed(format!("holds no fitting `{name}`")).context(path.display()))?;
            tch::no_grad(|| tensor.copy_(source));
        }
        Ok(parameters)
    }

    fn on(architecture: Architecture, tensors: BTreeMap<String, Tensor>, device: Device) -> Self {
        let place = |(name, tensor): (String, Tensor)| {
            let tensor = tensor.to_device(device).to_kind(Kind::Float).set_requires_grad(is_trainable(&name));
            (name, tensor)
        };
        Self { architecture, tensors: tensors.into_iter().map(place).collect() }
    }

    /// Writes all tensors as safetensors.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_safetensors(self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor)), path)
    }

    /// A copy that no gradient flows into.
    pub fn detached(&self) -> Self {
        let copy = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.detach().copy());
        Self { architecture: self.architecture, tensors: self.tensors.iter().map(copy).collect() }
    }

    /// Copies of these parameters alone, to be optimised by themselves.
    pub(super) fn only(&self, names: &[String]) -> Self {
        let copy = |name: &String| (name.clone(), self.get(name).detach().copy().set_requires_grad(true));
        Self { architecture: self.architecture, tensors: names.iter().map(copy).collect() }
    }

    /// Moves every value towards that of `other` by `share` of the way.
    pub fn move_towards(&mut self, other: &Self, share: f64) {
        tch::no_grad(|| {
            for (name, tensor) in &mut self.tensors {
                let _ = tensor.lerp_(other.get(name), share);
            }
        });
    }

    /// The tensor of this name. Panics on a name that the description never declared, which is a programming error.
    pub fn get(&self, name: &str) -> &Tensor {
        &self.tensors[name]
    }

    /// Sets the tensor of this name, which must exist, to values of the same shape.
    pub(super) fn set(&mut self, name: &str, values: &Tensor) {
        if let Some(tensor) = self.tensors.get_mut(name) {
            tch::no_grad(|| tensor.copy_(values));
        }
    }

    /// The values of this tensor, row by row.
    pub fn values(&self, name: &str) -> Vec<f32> {
        values(self.get(name))
    }

    /// All names with the shapes, in order of name.
    pub(super) fn shapes(&self) -> Vec<(String, Vec<i64>)> {
        self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect()
    }

    /// What the optimiser changes, in order of name.
    pub fn trainable(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.tensors.iter().filter(|(name, _)| is_trainable(name))
    }

    /// Number of trainable values.
    pub fn count(&self) -> usize {
        self.trainable().map(|(_, tensor)| tensor.numel()).sum()
    }
}

/// The fp32 values of a tensor, row by row.
pub(super) fn values(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

/// The tensors of a safetensors file.
pub(super) fn read_safetensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    if let Err(e) = std::fs::File::open(path) {
        return Err(Error::io(e).context(path.display()));
    }
    let unreadable = |e| Error::malformed(format!("no whole safetensors file: {e}")).context(path.display());
    let read = Tensor::read_safetensors(path).map_err(unreadable)?;
    Ok(read.into_iter().collect())
}

/// Writes named tensors so that the file appears complete or not at all.
pub(super) fn write_safetensors<'a>(tensors: impl Iterator<Item = (String, &'a Tensor)>, path: &Path) -> Result<()> {
    let tensors: Vec<_> = tensors.map(|(name, t)| (name, t.detach().to_device(Device::Cpu).contiguous())).collect();
    let partial = path.with_extension("partial");
    Tensor::write_safetensors(&tensors, &partial).map_err(|e| Error::output(e).context(partial.display()))?;
    std::fs::rename(&partial, path).map_err(|e| Error::output(e).context(path.display()))
}

fn is_trainable(name: &str) -> bool {
    !name.contains("running_")
}
