//! What OpenVINO is told to compute in, and whether the processor can.

use crate::model::manifest::Precision;

/// The value of `INFERENCE_PRECISION_HINT`. OpenVINO's own choice is bf16 where the processor has it, in any graph.
/// Layers that stand between QuantizeLinear and DequantizeLinear run as int8 whatever it says.
pub fn hint(precision: Precision) -> &'static str {
    match precision {
        Precision::Fp32 | Precision::Fp16 | Precision::Int8 => "f32",
        Precision::Bf16 => "bf16",
    }
}

/// Whether `OPTIMIZATION_CAPABILITIES`, as in `FP32 INT8 BIN EXPORT_IMPORT BF16`, has what `precision` needs. Without
/// BF16 the hint would be followed on paper alone: the layers run in f32.
pub fn is_among(capabilities: &str, precision: Precision) -> bool {
    precision != Precision::Bf16 || capabilities.split([' ', ',']).any(|capability| capability == "BF16")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_needs_a_processor_that_has_it_and_nothing_else_does() {
        let (old, new) = ("FP32 INT8 BIN EXPORT_IMPORT", "FP32 INT8 BIN EXPORT_IMPORT BF16 FP16");
        for precision in Precision::ALL {
            assert!(is_among(new, precision));
            assert_eq!(is_among(old, precision), precision != Precision::Bf16);
        }
    }
}
