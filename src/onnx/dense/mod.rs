//! Convolutions on maps of a few pixels as products of matrices.
//!
//! Engines convolve one row of a batch after the other, and read all weights for each. On a map that is no larger than the
//! kernel every pixel depends on every other, so that the layer is a dense one: `[c_in · h · w]` to `[c_out · h' · w']`, with
//! fewer multiplications than the kernel has (those with padding are gone) and weights that are read once a batch. ResNets
//! of 64-pixel tiles end in maps of 2×2, where ResNet-18 has three such layers.

mod maps;
mod net;

use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{NodeProto, TensorProto};

use self::maps::{Map, Maps, Window};
use self::net::Net;
use super::builder::int;
use super::graph::{integer, node};
use super::parts::{Append, Initialiser, Parts, Raw};
use crate::Result;

/// Weights may become so many times as many.
const GROWTH_MAX: usize = 2;

/// Inputs with more pixels are left alone: their batches are too small for weights that are read once a batch to matter, and
/// may be of one row, of which OpenVINO sums such a product in another order than of several.
const INPUT_AREA_MAX: usize = 128 * 128;

/// From here on a `Gemm` needs no bias and a `DequantizeLinear` may have an axis.
const OPSET_MIN: i64 = 13;

/// Which layers are written as products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// Those in floating point.
    Float,
    /// Those in 8 bits as well.
    #[cfg_attr(not(feature = "openvino"), allow(dead_code))]
    All,
}

/// The ONNX file `bytes`, whose input is `[n, bands, height, width]` with the last three of `input`, with such convolutions as
/// products; as it is where it has none. Weights are copied once, into the new file.
///
/// # Errors
/// [`crate::Kind::Refused`] where it is no ONNX file.
pub fn dense(bytes: &[u8], input: [usize; 3], layers: Layers) -> Result<Cow<'_, [u8]>> {
    let [_, height, width] = input;
    let mut parts = Parts::decode(bytes)?;
    if height * width > INPUT_AREA_MAX || parts.model.opset_import.iter().any(|set| set.version < OPSET_MIN) {
        return Ok(Cow::Borrowed(bytes));
    }
    let net = Net::of(&parts);
    let maps = Maps::of(&net, input);
    let products: Vec<(usize, Product<'_>)> = (0..net.nodes.len())
        .filter_map(|index| Some((index, Product::of(&net, &maps, &net.nodes[index], layers)?)))
        .collect();
    if products.is_empty() {
        return Ok(Cow::Borrowed(bytes));
    }
    // From the last, so that the places of the others stay as they are.
    for (index, Product { nodes, constants }) in products.into_iter().rev() {
        parts.graph.node.splice(index..=index, nodes);
        parts.weights.extend(constants);
    }
    drop_unused(&mut parts);
    Ok(Cow::Owned(parts.encode()))
}

/// Takes out what the outputs do not need: the weights of convolutions that are no more, and what read them.
fn drop_unused(Parts { graph, weights, .. }: &mut Parts<'_>) {
    let mut used: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    // Every value is made before it is used.
    graph.node.reverse();
    graph.node.retain(|node| {
        let is_used = node.output.iter().any(|output| used.contains(output));
        used.extend(node.input.iter().filter(|_| is_used).cloned());
        is_used
    });
    graph.node.reverse();
    weights.retain(|Initialiser { tensor, .. }| {
        let is_used = used.contains(&tensor.name);
        if !is_used {
            // Before IR version 4 initialisers had to be inputs as well.
            graph.input.retain(|input| input.name != tensor.name);
        }
        is_used
    });
}

/// What takes a convolution's place.
struct Product<'a> {
    nodes: Vec<NodeProto>,
    constants: Vec<Initialiser<'a>>,
}

impl<'a> Product<'a> {
    fn of(net: &Net<'_, 'a>, maps: &Maps, conv: &NodeProto, layers: Layers) -> Option<Self> {
        if conv.op_type != "Conv" || integer(conv, "group", 1) != 1 {
            return None;
        }
        let (input, output) = (conv.input.first()?, conv.output.first()?);
        let (from, to, window) = (maps.get(input)?, maps.get(output)?, Window::of(net, conv)?);
        let kernel: usize = window.kernel.iter().product();
        let is_smaller_than_the_kernel = from[1] * from[2] * to[1] * to[2] <= GROWTH_MAX * kernel;
        if kernel == 1 || !is_smaller_than_the_kernel {
            return None;
        }
        let weight = Constant::of(net, conv.input.get(1)?, &[to[0], from[0], window.kernel[0], window.kernel[1]])?;
        if weight.steps.is_some() && layers == Layers::Float {
            return None;
        }
        let bias = match conv.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => Some(Constant::of(net, name, &[to[0]])?),
            None => None,
        };
        let (rows, columns): (usize, usize) = (from.iter().product(), to.iter().product());
        let (raw, size) = (weight.raw, weight.size(to[0] * from[0] * kernel));
        let append: Rc<Append<'a>> = match size {
            1 => Rc::new(move |out| spread::<1>(raw, from, to, window, out)),
            4 => Rc::new(move |out| spread::<4>(raw, from, to, window, out)),
            _ => return None,
        };

        let mut product = Self { nodes: Vec::new(), constants: Vec::new() };
        let area = to[1] * to[2];
        let mut inputs = vec![format!("{output}/flat")];
        let dims = vec![columns as i64, rows as i64];
        let matrix = Raw::Made { length: columns * rows * size, append };
        inputs.push(product.constant(&format!("{output}/matrix"), dims, matrix, &weight, area));
        if let Some(bias) = bias {
            let row = repeated(bias.raw, bias.size(to[0]), area);
            inputs.push(product.constant(&format!("{output}/row"), vec![columns as i64], row, &bias, area));
        }
        let [flat, map] = ["flat_shape", "map_shape"].map(|name| format!("{output}/{name}"));
        product.shape(&flat, &[-1, rows as i64]);
        product.shape(&map, &[-1, to[0] as i64, to[1] as i64, to[2] as i64]);
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let made = format!("{output}/product");
        product.nodes.push(node("Reshape", &[input, &flat], inputs[0], vec![]));
        product.nodes.push(node("Gemm", &inputs, &made, vec![int("transB", 1)]));
        product.nodes.push(node("Reshape", &[&made, &map], output, vec![]));
        Some(product)
    }

    /// Puts the shape `sides` in as `name`; -1 is the batch.
    fn shape(&mut self, name: &str, sides: &[i64]) {
        let tensor = TensorProto {
            name: name.to_owned(),
            dims: vec![sides.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: sides.to_vec(),
            ..TensorProto::default()
        };
        self.constants.push(Initialiser { tensor, raw: Raw::Stored(&[]) });
    }

    /// Puts a constant in as `name`, behind the steps of `original` where that has any; gives the name to read.
    fn constant(
        &mut self,
        name: &str,
        dims: Vec<i64>,
        raw: Raw<'a>,
        original: &Constant<'_, 'a>,
        area: usize,
    ) -> String {
        let stored = match original.steps {
            Some(_) => format!("{name}/quantized"),
            None => name.to_owned(),
        };
        let tensor = TensorProto { name: stored.clone(), dims, ..original.tensor.clone() };
        self.constants.push(Initialiser { tensor, raw });
        let Some((scale, zero)) = original.steps else { return stored };
        let mut inputs = vec![stored];
        for (part, steps) in [("scale", Some(scale)), ("zero_point", zero)] {
            let Some(steps) = steps else { continue };
            inputs.push(format!("{name}/{part}"));
            self.constants.push(by_output(steps, inputs[inputs.len() - 1].clone(), area));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.nodes.push(node("DequantizeLinear", &inputs, name, vec![int("axis", 0)]));
        name.to_owned()
    }
}

/// Scales or zero points of outputs, as those of every pixel of an output; one for all stays one.
fn by_output<'a>(steps: &Initialiser<'a>, name: String, area: usize) -> Initialiser<'a> {
    let (n, raw) = (steps.tensor.dims.first().copied().unwrap_or(1), steps.raw.stored());
    let (dims, raw) = match n {
        // One, without an axis.
        1 => (Vec::new(), steps.raw.clone()),
        _ => (vec![n * area as i64], repeated(raw, raw.len() / n as usize, area)),
    };
    Initialiser { tensor: TensorProto { name, dims, ..steps.tensor.clone() }, raw }
}

/// Every element, of `size` bytes, `times` times.
fn repeated(raw: &[u8], size: usize, times: usize) -> Raw<'_> {
    let append = move |out: &mut Vec<u8>| {
        raw.chunks_exact(size)
            .flat_map(|element| std::iter::repeat_n(element, times))
            .for_each(|element| out.extend_from_slice(element));
    };
    Raw::Made { length: raw.len() * times, append: Rc::new(append) }
}

/// Appends the weights `[c_out, c_in, k_h, k_w]` of a kernel, elements of `N` bytes, as a matrix
/// `[c_out · h' · w', c_in · h · w]`: where an input pixel does not lie under the kernel of an output pixel there are zeros.
fn spread<const N: usize>(weights: &[u8], from: Map, to: Map, window: Window, out: &mut Vec<u8>) {
    let (area, kernel): (usize, usize) = (from[1] * from[2], window.kernel.iter().product());
    // For each output pixel, the input pixels under the kernel and where in it they lie.
    let pairs: Vec<Vec<(usize, usize)>> = (0..to[1] * to[2])
        .map(|output| {
            let place = |input: usize| {
                let y = window.under(0, input / from[2], output / to[2])?;
                let x = window.under(1, input % from[2], output % to[2])?;
                Some((input, y * window.kernel[1] + x))
            };
            (0..area).filter_map(place).collect()
        })
        .collect();
    let mut line = vec![[0; N]; from[0] * area];
    for kernels in weights.as_chunks().0.chunks_exact(from[0] * kernel) {
        for pairs in &pairs {
            line.fill([0; N]);
            for (map, kernel) in line.chunks_exact_mut(area).zip(kernels.chunks_exact(kernel)) {
                pairs.iter().for_each(|(input, place)| map[*input] = kernel[*place]);
            }
            out.extend_from_slice(line.as_flattened());
        }
    }
}

/// A constant, as it lies in the graph: in floating point, or in integers behind a `DequantizeLinear`.
struct Constant<'p, 'a> {
    tensor: &'p TensorProto,
    raw: &'a [u8],
    /// The scales, and the zero point, which is all zeros.
    steps: Option<(&'p Initialiser<'a>, Option<&'p Initialiser<'a>>)>,
}

impl<'p, 'a> Constant<'p, 'a> {
    /// `name` with these dimensions, the first of which are the outputs, and with one scale, or one for each output.
    fn of(net: &Net<'p, 'a>, name: &str, dims: &[usize]) -> Option<Self> {
        let stored = |name: &str| net.initialiser(name).filter(|found| !found.raw.stored().is_empty());
        let has_dims = |name: &str| net.dims(name).is_some_and(|found| found == dims);
        let constant =
            |found: &'p Initialiser<'a>, steps| Self { tensor: &found.tensor, raw: found.raw.stored(), steps };
        if let Some(found) = stored(name) {
            let is_float = found.tensor.data_type == DataType::Float as i32;
            return (is_float && has_dims(name)).then(|| constant(found, None));
        }
        let reader = net.maker(name).filter(|maker| maker.op_type == "DequantizeLinear")?;
        let input = |index: usize| reader.input.get(index).filter(|name| !name.is_empty());
        let (found, scale) = (stored(input(0)?)?, stored(input(1)?)?);
        let is_by_output = match scale.tensor.dims[..] {
            [] | [1] => true,
            [n] => usize::try_from(n).ok().as_ref() == dims.first() && integer(reader, "axis", 1) == 0,
            _ => false,
        };
        let zero = match input(2) {
            Some(name) => Some(stored(name)?),
            None => None,
        };
        let is_centred = zero.is_none_or(|zero| {
            zero.tensor.dims == scale.tensor.dims && zero.raw.stored().iter().all(|byte| *byte == 0)
        });
        (has_dims(input(0)?) && is_by_output && is_centred).then(|| constant(found, Some((scale, zero))))
    }

    /// Bytes of each of its elements.
    fn size(&self, elements: usize) -> usize {
        self.raw.len() / elements
    }
}

#[cfg(test)]
mod tests;
