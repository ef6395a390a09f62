#!/usr/bin/env bash
# Fetches the libtorch that the trainer `s2train` links against into .torch/ (about 620 MB).
#
#     ./scripts/setup-libtorch.sh
#
# Only `--features train` needs it. It is PyTorch's own wheel without the parts the trainer never touches; the version
# must be the one that `tch` in Cargo.toml was made for. On a machine with an NVIDIA card S2TRAIN_CUDA=1 keeps the CUDA
# libraries and fetches what they need (several GB); `s2train` finds and uses the card by itself then.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.11.0
target=.torch
stamp=$target/.version
wanted="$version cuda=${S2TRAIN_CUDA:-0}"
python=${PYTHON:-python3}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  echo "libtorch $wanted is already in $target"
  exit 0
fi
[ "$(uname -sm)" = "Linux x86_64" ] || {
  echo "setup-libtorch.sh knows Linux on x86-64 only; elsewhere unpack libtorch $version to $target/torch" >&2
  exit 2
}

rm -rf "$target"
pip=("$python" -m pip install --quiet --no-cache-dir --only-binary=:all: --upgrade --target "$target")
if [ "${S2TRAIN_CUDA:-0}" = 1 ]; then
  "${pip[@]}" "torch==$version"
  rm -rf "$target"/torch/lib/libtorch_python.so "$target"/triton
else
  "${pip[@]}" --no-deps "torch==$version" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
  rm -rf "$target"/torch/lib/libtorch_{cuda,cuda_linalg,nvshmem,python}.so
  rm -f "$target"/nvidia/cu13/lib/libnvperf_* "$target"/nvidia/cu13/lib/lib{pcsamplingutil,checkpoint}.so
fi
rm -rf "$target"/torch/bin "$target"/bin
echo "$wanted" > "$stamp"
echo "libtorch $wanted is in $target; next: cargo build --release --features train"
