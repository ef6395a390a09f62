//! An ONNX file taken apart without copying its weights, and put together again.
//!
//! Weights are nearly all of a file. Decoding them with the rest would copy them twice and encoding
//! a third time, so they stay slices of the file until they are written into the new one.

use std::panic::catch_unwind;
use std::rc::Rc;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto};

use super::wire::{Field, fields};
use crate::{Error, Result};

const MODEL_GRAPH: u32 = 7;
const GRAPH_INITIALIZER: u32 = 5;
const TENSOR_RAW_DATA: u32 = 9;

/// Appends raw data to a file.
pub type Append<'a> = dyn Fn(&mut Vec<u8>) + 'a;

/// Raw data of a tensor.
#[derive(Clone)]
pub enum Raw<'a> {
    /// As it lies in the file; empty where the tensor keeps its elements in a typed field.
    Stored(&'a [u8]),
    /// Made when the file is written, so that it is in memory once.
    Made {
        /// How long it will be, in bytes.
        length: usize,
        /// Appends it.
        append: Rc<Append<'a>>,
    },
}

impl<'a> Raw<'a> {
    /// What lies in the file; of what is made, nothing.
    pub fn stored(&self) -> &'a [u8] {
        match self {
            Self::Stored(raw) => raw,
            Self::Made { .. } => &[],
        }
    }
}

/// A tensor and its raw data, which lies elsewhere; `tensor.raw_data` is not to be looked at.
#[derive(Clone)]
pub struct Initialiser<'a> {
    /// Everything but the raw data.
    pub tensor: TensorProto,
    /// The raw data.
    pub raw: Raw<'a>,
}

/// A file in parts.
pub struct Parts<'a> {
    /// Everything but the graph.
    pub model: ModelProto,
    /// Everything but the initialisers.
    pub graph: GraphProto,
    /// The initialisers.
    pub weights: Vec<Initialiser<'a>>,
}

/// The bytes of a message without its fields of this number, and those fields' contents.
fn take_out(bytes: &[u8], number: u32) -> Result<(Vec<u8>, Vec<&[u8]>)> {
    let mut rest = Vec::new();
    let mut taken = Vec::new();
    for field in fields(bytes) {
        match field? {
            Field { number: found, content: Some(content), .. } if found == u64::from(number) => taken.push(content),
            field => rest.extend_from_slice(field.whole),
        }
    }
    Ok((rest, taken))
}

fn message<M: Message + Default>(bytes: &[u8]) -> Result<M> {
    let broken = |what: String| Error::refused(format!("not a valid ONNX file ({what}); copy the model folder again"));
    catch_unwind(|| M::decode(bytes))
        .map_err(|_| broken("the decoder panicked".into()))?
        .map_err(|error| broken(error.to_string()))
}

impl<'a> Parts<'a> {
    /// Takes `bytes` apart. How deeply they are nested is bounded by prost (100 levels).
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] where they are no ONNX file.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        let (model, graph) = take_out(bytes, MODEL_GRAPH)?;
        let [graph] = graph[..] else {
            return Err(Error::refused(match graph.len() {
                0 => "the file holds no graph",
                _ => "the file holds more than one graph",
            }));
        };
        let (graph, tensors) = take_out(graph, GRAPH_INITIALIZER)?;
        let weights = tensors
            .into_iter()
            .map(|tensor| {
                let (rest, raw) = take_out(tensor, TENSOR_RAW_DATA)?;
                let raw = Raw::Stored(raw.last().copied().unwrap_or_default());
                Ok(Initialiser { tensor: message(&rest)?, raw })
            })
            .collect::<Result<_>>()?;
        Ok(Parts { model: message(&model)?, graph: message(&graph)?, weights })
    }

    /// One ONNX file again.
    pub fn encode(&self) -> Vec<u8> {
        let lengths: Vec<usize> = self.weights.iter().map(Initialiser::encoded_len).collect();
        let framed = |number, length: usize| key_len(number) + encoded_len_varint(length as u64) + length;
        let weights: usize = lengths.iter().map(|length| framed(GRAPH_INITIALIZER, *length)).sum();
        let graph = self.graph.encoded_len() + weights;
        let mut out = Vec::with_capacity(self.model.encoded_len() + framed(MODEL_GRAPH, graph));
        append(&self.model, &mut out);
        frame(MODEL_GRAPH, graph, &mut out);
        append(&self.graph, &mut out);
        for (weights, length) in self.weights.iter().zip(lengths) {
            frame(GRAPH_INITIALIZER, length, &mut out);
            append(&weights.tensor, &mut out);
            weights.append_raw(&mut out);
        }
        out
    }
}

impl Initialiser<'_> {
    fn raw_len(&self) -> usize {
        match &self.raw {
            Raw::Stored(raw) => raw.len(),
            Raw::Made { length, .. } => *length,
        }
    }

    fn encoded_len(&self) -> usize {
        let raw = match self.raw_len() {
            0 => 0,
            length => key_len(TENSOR_RAW_DATA) + encoded_len_varint(length as u64) + length,
        };
        self.tensor.encoded_len() + raw
    }

    fn append_raw(&self, out: &mut Vec<u8>) {
        if self.raw_len() == 0 {
            return;
        }
        frame(TENSOR_RAW_DATA, self.raw_len(), out);
        match &self.raw {
            Raw::Stored(raw) => out.extend_from_slice(raw),
            Raw::Made { append, .. } => append(out),
        }
    }
}

fn frame(number: u32, length: usize, out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

fn append(message: &impl Message, out: &mut Vec<u8>) {
    // A Vec grows, so there is always room.
    message.encode(out).unwrap_or_default();
}
