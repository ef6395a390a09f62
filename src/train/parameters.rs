//! A network's named parameters and buffers.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::network::{Conv, Network, resnet18};
use crate::{Error, Result};

/// Named tensors in fp32, under torchvision's names: `layer1.0.conv1.weight`, `bn1.running_mean`.
#[derive(Debug)]
pub struct Parameters {
    tensors: BTreeMap<String, Tensor>,
}

impl Parameters {
    /// A freshly initialised ResNet-18: He's normal initialisation (fan out) of the convolutions, unit batch
    /// normalisation, PyTorch's uniform initialisation of the last layer. The same seed gives the same network.
    pub fn resnet18(bands: usize, outputs: usize, seed: u64, device: Device) -> Self {
        tch::manual_seed(seed as i64);
        let mut declaration = Declaration { tensors: BTreeMap::new() };
        resnet18(&mut declaration, &(), bands, outputs);
        Self::on(declaration.tensors, device)
    }

    /// Reads a safetensors file written by [`Parameters::write`].
    pub fn read(path: &Path, device: Device) -> Result<Self> {
        let tensors = Tensor::read_safetensors(path).map_err(|e| Error::malformed(e).context(path.display()))?;
        Ok(Self::on(tensors.into_iter().collect(), device))
    }

    fn on(tensors: BTreeMap<String, Tensor>, device: Device) -> Self {
        let place = |(name, tensor): (String, Tensor)| {
            let tensor = tensor.to_device(device).to_kind(Kind::Float).set_requires_grad(is_trainable(&name));
            (name, tensor)
        };
        Self { tensors: tensors.into_iter().map(place).collect() }
    }

    /// Writes all tensors as safetensors.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_safetensors(self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor)), path)
    }

    /// Copies the values of `other`, which must hold the same names and shapes.
    pub fn copy_from(&mut self, other: &Parameters) -> Result<()> {
        for (name, tensor) in &mut self.tensors {
            let source = other.tensors.get(name).filter(|source| source.size() == tensor.size());
            let source = source.ok_or_else(|| Error::malformed(format!("checkpoint holds no fitting `{name}`")))?;
            tch::no_grad(|| tensor.copy_(source));
        }
        Ok(())
    }

    /// The tensor of this name. Panics on a name that the description never declared, which is a programming error.
    pub fn get(&self, name: &str) -> &Tensor {
        &self.tensors[name]
    }

    /// The values of this tensor, row by row.
    pub fn values(&self, name: &str) -> Vec<f32> {
        values(self.get(name))
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

/// The interpreter that creates what the description asks for.
struct Declaration {
    tensors: BTreeMap<String, Tensor>,
}

impl Declaration {
    fn put(&mut self, name: String, tensor: Tensor) {
        self.tensors.insert(name, tensor);
    }
}

impl Network for Declaration {
    type Value = ();

    fn conv_norm(&mut self, conv: &str, norm: &str, _: &(), shape: Conv) {
        let size = [shape.outputs, shape.inputs, shape.kernel, shape.kernel].map(|n| n as i64);
        let deviation = (2.0 / (shape.outputs * shape.kernel * shape.kernel) as f64).sqrt();
        let float = (Kind::Float, Device::Cpu);
        self.put(format!("{conv}.weight"), Tensor::randn(size, float) * deviation);
        let channels = [shape.outputs as i64];
        self.put(format!("{norm}.weight"), Tensor::ones(channels, float));
        self.put(format!("{norm}.bias"), Tensor::zeros(channels, float));
        self.put(format!("{norm}.running_mean"), Tensor::zeros(channels, float));
        self.put(format!("{norm}.running_var"), Tensor::ones(channels, float));
    }

    fn relu(&mut self, _: &()) {}

    fn max_pool(&mut self, _: &(), _: usize, _: usize, _: usize) {}

    fn add(&mut self, _: &(), _: &()) {}

    fn global_average_pool(&mut self, _: &()) {}

    fn linear(&mut self, name: &str, _: &(), inputs: usize, outputs: usize) {
        let bound = 1.0 / (inputs as f64).sqrt();
        let uniform = |size: &[i64]| Tensor::rand(size, (Kind::Float, Device::Cpu)) * (2.0 * bound) - bound;
        let (inputs, outputs) = (inputs as i64, outputs as i64);
        self.put(format!("{name}.weight"), uniform(&[outputs, inputs]));
        self.put(format!("{name}.bias"), uniform(&[outputs]));
    }
}
