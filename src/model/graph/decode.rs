//! Bytes to protobuf message.

use std::panic::catch_unwind;

use prost::Message;
use tract_onnx::pb::ModelProto;

use super::weigh;
use crate::model::assets::describe_accident;
use crate::{Error, Result};

/// Decodes an ONNX file. Nesting is bounded by prost (100 levels).
pub fn decode(bytes: &[u8]) -> Result<ModelProto> {
    if let Some(accident) = describe_accident(bytes) {
        return Err(Error::refused(accident));
    }
    if bytes.is_empty() {
        return Err(Error::refused("the file is empty; copy the model folder again"));
    }
    weigh::check(bytes)?;
    let broken = |what: &dyn std::fmt::Display| {
        Error::refused(format!("not a valid ONNX file ({what}); copy the model folder again"))
    };
    catch_unwind(|| ModelProto::decode(bytes))
        .map_err(|_| broken(&"the decoder panicked"))?
        .map_err(|error| broken(&error))
}
