//! Starting from somebody's weights.

use std::path::Path;

use tch::Tensor;

use super::parameters::{Parameters, read_safetensors};
use crate::{Error, Result};

/// Bands that the three input channels of a network for photographs correspond to.
const RGB: [&str; 3] = ["B04", "B03", "B02"];

/// Copies the tensors of a safetensors file (names of torchvision for ResNets, of timm for ConvNeXt) into fresh
/// parameters. The first layer is adapted to `bands`: filters of red, green and blue go to B04, B03 and B02, every
/// other band gets their mean, all times 3 / bands, so that activations keep their size. A last layer of other shape
/// is left as initialised. Returns how many tensors were taken.
///
/// # Errors
/// A file that cannot be read; a tensor of the network that the file lacks or holds in another shape.
pub fn load(parameters: &mut Parameters, path: &Path, bands: &[String]) -> Result<usize> {
    let file = read_safetensors(path).map_err(|e| e.context("--pretrained"))?;
    let [last, first] = parameters.architecture.family.ends();
    let mut taken = 0;
    for (name, shape) in parameters.shapes() {
        let is_last = name.starts_with(&format!("{last}."));
        let Some(source) = file.get(&name) else {
            if is_last {
                continue;
            }
            return Err(Error::malformed(format!(
                "--pretrained {}: holds no `{name}`; is it of another --network?",
                path.display()
            )));
        };
        let adapted = match name == format!("{first}.weight") && source.size() != shape {
            true => adapt(source, bands),
            false => source.shallow_clone(),
        };
        // Fully connected layers on pixels are stored as such or as 1×1 convolutions.
        let fits = adapted.size() == shape || (shape.ends_with(&[1, 1]) && adapted.size() == shape[..shape.len() - 2]);
        if fits {
            parameters.set(&name, &adapted.view(&shape[..]));
            taken += 1;
        } else if !is_last {
            let (has, needs) = (source.size(), shape);
            return Err(Error::malformed(format!(
                "--pretrained {}: `{name}` is {has:?} where the network needs {needs:?}; is it of another architecture, \
                 --width or --stem?",
                path.display()
            )));
        }
    }
    Ok(taken)
}

/// Filters `[outputs, 3, kernel, kernel]` of red, green and blue as filters of `bands`.
fn adapt(rgb: &Tensor, bands: &[String]) -> Tensor {
    if rgb.dim() != 4 || rgb.size()[1] != RGB.len() as i64 {
        return rgb.shallow_clone();
    }
    let of = |band: &String| match RGB.iter().position(|name| name == band) {
        Some(channel) => rgb.select(1, channel as i64),
        None => rgb.mean_dim([1i64].as_slice(), false, rgb.kind()),
    };
    let filters: Vec<Tensor> = bands.iter().map(of).collect();
    Tensor::stack(&filters, 1) * (RGB.len() as f64 / bands.len() as f64)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::train::network::{Architecture, Family, Pooling};
    use crate::train::parameters::values;

    fn architecture(bands: usize, outputs: usize) -> Architecture {
        Architecture { family: Family::ResNet18, width: 8, stem_stride: 4, pooling: Pooling::Average, bands, outputs }
    }

    #[test]
    fn filters_of_a_photograph_go_to_their_bands_and_grey_answers_keep_their_size() {
        let rgb = Tensor::arange(2 * 3 * 9, (Kind::Float, Device::Cpu)).view([2, 3, 3, 3]);
        let bands = ["B02", "B03", "B04", "B08"].map(String::from);
        let adapted = adapt(&rgb, &bands);
        assert_eq!(adapted.size(), [2, 4, 3, 3]);
        let scaled = |t: Tensor| values(&(t * 0.75));
        assert_eq!(values(&adapted.select(1, 0)), scaled(rgb.select(1, 2)));
        assert_eq!(values(&adapted.select(1, 2)), scaled(rgb.select(1, 0)));
        let (before, after) = (rgb.sum(Kind::Double), adapted.sum(Kind::Double));
        assert!((before.double_value(&[]) - after.double_value(&[])).abs() < 1e-3);
    }

    #[test]
    fn all_but_a_last_layer_of_other_shape_is_taken_and_another_network_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let source = Parameters::fresh(architecture(3, 5), 1, Device::Cpu);
        source.write(&path).unwrap();
        let mut target = Parameters::fresh(architecture(3, 1), 2, Device::Cpu);
        let bands = ["B04", "B03", "B02"].map(String::from);
        let taken = load(&mut target, &path, &bands).unwrap();
        assert_eq!(taken, target.shapes().len() - 2);
        assert_eq!(source.values("layer4.1.conv2.weight"), target.values("layer4.1.conv2.weight"));
        let mut wider = Parameters::fresh(Architecture { width: 16, ..architecture(3, 1) }, 1, Device::Cpu);
        assert!(load(&mut wider, &path, &bands).unwrap_err().to_string().contains("--width"));
    }
}
