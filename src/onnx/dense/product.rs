//! The nodes and constants of a product.

use std::iter::repeat_n;
use std::rc::Rc;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{NodeProto, TensorProto};

use super::layer::{Constant, Layer, by_output};
use super::net::Net;
use crate::onnx::builder::int;
use crate::onnx::graph::node;
use crate::onnx::parts::{Initialiser, Raw};

/// The domain of ONNX Runtime's own operators.
pub(super) const MICROSOFT: &str = "com.microsoft";

/// A bias in integers counts in steps of the input's scale times the weights'. Engines take it to be so; where the file says
/// otherwise by more than rounding, its convolution stays.
const BIAS_STEP_DIFFERENCE_MAX: f32 = 1e-6;

/// What takes the place of a node.
pub(super) struct Product<'a> {
    pub(super) nodes: Vec<NodeProto>,
    pub(super) constants: Vec<Initialiser<'a>>,
    /// What its names begin with, and no other's.
    prefix: String,
}

impl<'a> Product<'a> {
    /// Nothing yet, for what makes the value `output`.
    fn named(net: &Net<'_, 'a>, output: &str) -> Self {
        Self { nodes: Vec::new(), constants: Vec::new(), prefix: format!("{}/{output}", net.prefix) }
    }

    fn name(&self, what: &str) -> String {
        format!("{}/{what}", self.prefix)
    }

    /// `layer` as a `Gemm`.
    pub(super) fn gemm(net: &Net<'_, 'a>, layer: &Layer<'_, 'a>) -> Self {
        let [rows, columns] = layer.sides();
        let mut product = Self::named(net, layer.output);
        let mut inputs = vec![product.name("flat")];
        let dims = vec![columns as i64, rows as i64];
        let name = product.name("matrix");
        inputs.push(product.constant(&name, dims, layer.matrix(), &layer.weight, layer.area()));
        if let Some(bias) = &layer.bias {
            let dims = vec![columns as i64];
            let name = product.name("row");
            inputs.push(product.constant(&name, dims, layer.row(bias), bias, layer.area()));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let made = product.name("product");
        product.between_maps(layer, layer.input, node("Gemm", &inputs, &made, vec![int("transB", 1)]), layer.output);
        product
    }

    /// `layer`, which `quantize` rounds to 8 bits, as a `QGemm`. None where its values or its weights are not in the 8 bits
    /// that ONNX Runtime takes for an integer layer.
    pub(super) fn qgemm(
        net: &Net<'_, 'a>,
        layer: &Layer<'_, 'a>,
        quantize: &NodeProto,
        is_rectified: bool,
    ) -> Option<Self> {
        let dequantize = net.maker(layer.input).filter(|maker| maker.op_type == "DequantizeLinear")?;
        let (before, after) = (Steps::of(net, dequantize)?, Steps::of(net, quantize)?);
        let (scale, _) = layer.weight.steps?;
        // Rounding cuts off what a rectifier would, where zero is the least value.
        let is_cut_off = !is_rectified || after.zero_point == 0;
        let are_of_type = is_of(layer.weight.tensor, DataType::Int8) && is_of(&scale.tensor, DataType::Float);
        if !is_cut_off || !are_of_type || !is_in_steps_of(layer.bias.as_ref(), before.scale, scale) {
            return None;
        }

        let (output, [rows, columns]) = (quantize.output.first()?, layer.sides());
        let mut product = Self::named(net, output);
        let [flat, matrix, scales, zero, row, made] =
            ["flat", "matrix", "scale", "zero_point", "row", "product"].map(|what| product.name(what));
        let named = |name: &str, dims: Vec<i64>, original: &TensorProto| TensorProto {
            name: name.to_owned(),
            dims,
            ..original.clone()
        };
        let tensor = named(&matrix, vec![columns as i64, rows as i64], layer.weight.tensor);
        product.constants.push(Initialiser { tensor, raw: layer.matrix() });
        let by_column = by_output(scale, scales.clone(), layer.area());
        // As many zero points as scales are asked for.
        let dims = by_column.tensor.dims.clone();
        let length = dims.iter().product::<i64>() as usize;
        let raw = Raw::Made { length, append: Rc::new(move |out| out.extend(repeat_n(0, length))) };
        product.constants.push(Initialiser { tensor: named(&zero, dims, layer.weight.tensor), raw });
        product.constants.push(by_column);
        if let Some(bias) = &layer.bias {
            let tensor = named(&row, vec![columns as i64], bias.tensor);
            product.constants.push(Initialiser { tensor, raw: layer.row(bias) });
        }
        let row = if layer.bias.is_some() { row.as_str() } else { "" };
        let inputs: [&[&str]; 4] = [&[&flat], &before.names, &[&matrix, &scales, &zero, row], &after.names];
        let gemm = node("QGemm", &inputs.concat(), &made, vec![int("transB", 1)]);
        product.between_maps(
            layer,
            dequantize.input.first()?,
            NodeProto { domain: MICROSOFT.to_owned(), ..gemm },
            output,
        );
        Some(product)
    }

    /// Appends `gemm`, which reads a matrix and makes one, between a map `input` and a map `output`.
    fn between_maps(&mut self, layer: &Layer<'_, 'a>, input: &str, gemm: NodeProto, output: &str) {
        let [rows, _] = layer.sides();
        let [flat, map] = ["flat_shape", "map_shape"].map(|what| self.name(what));
        self.shape(&flat, &[-1, rows as i64]);
        self.shape(&map, &[-1, layer.to[0] as i64, layer.to[1] as i64, layer.to[2] as i64]);
        let (matrix, made) = (gemm.input[0].clone(), gemm.output[0].clone());
        self.nodes.push(node("Reshape", &[input, &flat], &matrix, vec![]));
        self.nodes.push(gemm);
        self.nodes.push(node("Reshape", &[&made, &map], output, vec![]));
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

/// How values lie in 8 bits without a sign: one scale and one zero point.
struct Steps<'p> {
    /// The names of both.
    names: [&'p str; 2],
    scale: f32,
    zero_point: u8,
}

impl<'p> Steps<'p> {
    /// Of a `QuantizeLinear` or `DequantizeLinear`.
    fn of(net: &Net<'p, '_>, node: &'p NodeProto) -> Option<Self> {
        let [_, scale, zero_point] = &node.input[..] else { return None };
        let one = |name: &str| {
            let found = net.initialiser(name)?;
            matches!(found.tensor.dims[..], [] | [1]).then_some((&found.tensor, found.raw.stored()))
        };
        let ((steps, bytes), (unsigned, [zero])) = (one(scale)?, one(zero_point)?) else { return None };
        let step = f32::from_le_bytes(bytes.try_into().ok()?);
        let are_of_type = is_of(steps, DataType::Float) && is_of(unsigned, DataType::Uint8);
        are_of_type.then_some(Self { names: [scale, zero_point], scale: step, zero_point: *zero })
    }
}

/// Whether a bias is in integers, in steps of the input's scale times the weights'; true where there is none.
fn is_in_steps_of(bias: Option<&Constant<'_, '_>>, input: f32, weights: &Initialiser<'_>) -> bool {
    let Some(bias) = bias else { return true };
    let Some((steps, _)) = bias.steps.filter(|_| is_of(bias.tensor, DataType::Int32)) else { return false };
    let (steps, weights) = (steps.raw.stored().as_chunks().0, weights.raw.stored().as_chunks().0);
    let is_near = |(step, weight): (&[u8; 4], &[u8; 4])| {
        let (step, expected) = (f32::from_le_bytes(*step), input * f32::from_le_bytes(*weight));
        (step - expected).abs() <= expected * BIAS_STEP_DIFFERENCE_MAX
    };
    steps.len() == weights.len() && steps.iter().zip(weights).all(is_near)
}

fn is_of(tensor: &TensorProto, kind: DataType) -> bool {
    tensor.data_type == kind as i32
}
