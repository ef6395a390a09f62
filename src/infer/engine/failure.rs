//! What an error of an engine written in C++ means for the run.

use std::error::Error as StdError;

use crate::{Error, Kind};

/// Texts by which a failed allocation shows: ONNX Runtime's arenas, CUDA, cuBLAS, cuDNN, TensorRT, C++.
/// There is no error code for it; the tests hold messages from public reports.
const OUT_OF_MEMORY: [&str; 11] = [
    "failed to allocate memory for requested buffer of size",
    "is smaller than requested bytes of",
    "cudaerrormemoryallocation",
    "cuda failure 2:",
    "out of memory",
    "outofmemory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "allocation_failed",
    "could not be allocated",
    "bad_alloc",
];

/// The message of an error followed by its causes, in one line.
pub fn chain(error: &dyn StdError) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the message tells of memory that could not be had, so that a smaller batch may do.
pub fn is_out_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    OUT_OF_MEMORY.iter().any(|text| message.contains(text))
}

/// An error of such an engine as ours: [`Kind::OutOfMemory`] where it is that, else `kind`.
pub fn classify(what: &str, kind: Kind, error: &dyn StdError) -> Error {
    let message = chain(error);
    let kind = if is_out_of_memory(&message) { Kind::OutOfMemory } else { kind };
    Error::new(kind, format!("{what}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_allocations_are_known_by_their_messages() {
        for message in [
            // microsoft/onnxruntime#16307
            "Non-zero status code returned while running ReduceSum node. onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 939524096",
            // microsoft/onnxruntime#9939
            "Non-zero status code returned while running FusedMatMul node. Name:'MatMul_92_FusedMatMulAndScale' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:331 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 8388608000",
            // hacksider/Deep-Live-Cam#383
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; hostname=Vanillarch ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider.cc ; line=168 ; expr=cublasCreate(&cublas_handle_);",
            "CUDA failure 2: out of memory ; GPU=0 ; hostname=host ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_allocator.cc ; line=47 ; expr=cudaMalloc((void**)&p, size);",
            "CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cudnnCreate(&cudnn_handle_);",
            "Available memory of 1048576 is smaller than requested bytes of 16777216",
            "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
            "TensorRT EP failed: [TRT] Error Code 2: OutOfMemory (Requested size was 4294967296 bytes.)",
            "std::bad_alloc",
        ] {
            assert!(is_out_of_memory(message), "{message}");
        }
    }

    #[test]
    fn sick_devices_and_wrong_graphs_are_not_taken_for_lack_of_memory() {
        for message in [
            // microsoft/onnxruntime#23497
            "Non-zero status code returned while running Conv node. Status Message: CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0",
            // microsoft/onnxruntime#21034
            "CUDNN failure 3: CUDNN_STATUS_BAD_PARAM ; GPU=0 ; expr=cudnnAddTensor(GetCudnnHandle(context), &alpha)",
            // microsoft/onnxruntime#23301
            "CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED ; GPU=0 ; line=483",
            "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
            "CUDA failure 222: the provided PTX was compiled with an unsupported toolchain. ; GPU=0",
            "Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory",
            "Load model failed: This is an invalid model. In Node, (\"\", Conv, \"\", -1) : Error Unrecognized attribute",
        ] {
            assert!(!is_out_of_memory(message), "{message}");
        }
    }

    #[test]
    fn causes_are_told_once_and_in_one_line() {
        let inner = std::io::Error::other("libcudart.so.13: cannot\nopen");
        let outer = std::io::Error::other(inner);
        assert_eq!(chain(&outer), "libcudart.so.13: cannot open");
    }
}
