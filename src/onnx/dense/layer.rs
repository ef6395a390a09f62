//! A convolution that may be a product of matrices, and its constants.

use std::rc::Rc;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{NodeProto, TensorProto};

use super::maps::{Map, Maps, Window};
use super::net::Net;
use crate::onnx::graph::integer;
use crate::onnx::parts::{Append, Initialiser, Raw};

/// Weights may become so many times as many.
const GROWTH_MAX: usize = 2;

/// A convolution on a map of a few pixels.
pub(super) struct Layer<'p, 'a> {
    /// The values that it reads and makes.
    pub(super) input: &'p str,
    pub(super) output: &'p str,
    pub(super) from: Map,
    pub(super) to: Map,
    pub(super) weight: Constant<'p, 'a>,
    pub(super) bias: Option<Constant<'p, 'a>>,
    window: Window,
    /// Bytes of a weight.
    size: usize,
}

impl<'p, 'a> Layer<'p, 'a> {
    /// None where the convolution `conv` is better left as it is.
    pub(super) fn of(net: &Net<'p, 'a>, maps: &Maps, conv: &'p NodeProto) -> Option<Self> {
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
        let bias = match conv.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => Some(Constant::of(net, name, &[to[0]])?),
            None => None,
        };
        let size = weight.size(to[0] * from[0] * kernel);
        matches!(size, 1 | 4).then_some(Self { input, output, from, to, weight, bias, window, size })
    }

    /// Elements of a row of the input and of the output.
    pub(super) fn sides(&self) -> [usize; 2] {
        [self.from, self.to].map(|map| map.iter().product())
    }

    /// Pixels of the output.
    pub(super) fn area(&self) -> usize {
        self.to[1] * self.to[2]
    }

    /// The weights as a matrix, a line for each element of the output.
    pub(super) fn matrix(&self) -> Raw<'a> {
        let Self { from, to, window, size, .. } = *self;
        let raw = self.weight.raw;
        let append: Rc<Append<'a>> = match size {
            1 => Rc::new(move |out| spread::<1>(raw, from, to, window, out)),
            _ => Rc::new(move |out| spread::<4>(raw, from, to, window, out)),
        };
        Raw::Made { length: self.sides().iter().product::<usize>() * size, append }
    }

    /// The bias as a row of the output.
    pub(super) fn row(&self, bias: &Constant<'p, 'a>) -> Raw<'a> {
        repeated(bias.raw, bias.size(self.to[0]), self.area())
    }
}

/// Scales or zero points of outputs, as those of every pixel of an output; one for all stays one.
pub(super) fn by_output<'a>(steps: &Initialiser<'a>, name: String, area: usize) -> Initialiser<'a> {
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
pub(super) struct Constant<'p, 'a> {
    pub(super) tensor: &'p TensorProto,
    pub(super) raw: &'a [u8],
    /// The scales, and the zero point, which is all zeros.
    pub(super) steps: Option<(&'p Initialiser<'a>, Option<&'p Initialiser<'a>>)>,
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
    pub(super) fn size(&self, elements: usize) -> usize {
        self.raw.len() / elements
    }
}
