#!/usr/bin/env bash
# Installs what the tests need and runs every check there is. One profile (release) throughout, so that the engines,
# which take most of the time, are compiled once.
#
#   S2INFER_REQUIRE_ALL=1   what cannot be installed, and so skipped, is a failure (CI sets this)
#   ORT_DYLIB_PATH, OPENVINO_LIB_PATH, S2INFER_PYTHON, S2INFER_SERVERS, S2INFER_MLFLOW   used as they are where set,
#                           instead of being installed
#
# The full output of each step goes to target/test-logs.
set -uo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$root/scripts/lib/steps.sh"
cd "$root" || exit 1

export CARGO_TERM_COLOR=never
export S2INFER_REQUIRE_ALL=${S2INFER_REQUIRE_ALL:-0}

# What the tests need. Each of these may be missing; then the tests that need it say so and the others run.
if ! step "crates" cargo fetch --locked --target "$(rustc -vV | sed -n "s/^host: //p")"; then
    export CARGO_NET_OFFLINE=true
    forgive "crates" "no network: building from the crates that are in cargo's cache"
fi
[ -n "${ORT_DYLIB_PATH:-}" ] || prepare "ONNX Runtime library" scripts/setup-ort.sh
[ -n "${OPENVINO_LIB_PATH:-}" ] || prepare "OpenVINO libraries" scripts/setup-openvino.sh
[ -n "${S2INFER_PYTHON:-}" ] || prepare "Python packages" scripts/setup-python.sh
[ -n "${S2INFER_SERVERS:-}" ] || prepare "servers" scripts/setup-servers.sh
[ -n "${S2INFER_MLFLOW:-}" ] || prepare "MLflow" scripts/setup-mlflow.sh
prepare "libtorch" scripts/setup-libtorch.sh

step "formatting" cargo fmt --check
step "lints" cargo clippy --release --locked --lib --bins -- -D warnings
step "lints, static build" cargo clippy --release --locked --no-default-features --features mimalloc -- -D warnings
libtorch=false
trainer=()
if prepared "libtorch"; then
    libtorch=true
    trainer=(--features train)
else
    skip "libtorch" "the trainer's lints and tests"
fi
step "lints, all targets" cargo clippy --release --locked "${trainer[@]}" --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" step "documentation" cargo doc --release --locked --no-deps

# What the feature adds is tested with it, and so are the library's own tests; the others need it not.
with_trainer=(--lib --bin s2train --test 'train*' --test benchmark)
without_trainer=(--bins)
for file in tests/*.rs; do
    name=$(basename "$file" .rs)
    [[ $name == train* || $name == benchmark ]] || without_trainer+=(--test "$name")
done
$libtorch || without_trainer+=(--lib)
step "compiling the tests" cargo test --release --locked --no-run "${without_trainer[@]}"

if [ -z "${ORT_DYLIB_PATH:-}" ]; then
    if prepared "ONNX Runtime library"; then
        ORT_DYLIB_PATH=$(ls "$root"/.ort/libonnxruntime.so.*)
        export ORT_DYLIB_PATH
    else
        skip "ONNX Runtime library" "every test on ONNX Runtime"
    fi
fi
if [ -z "${OPENVINO_LIB_PATH:-}" ]; then
    if prepared "OpenVINO libraries"; then
        export OPENVINO_LIB_PATH=$root/.openvino
    else
        skip "OpenVINO libraries" "every test on OpenVINO"
    fi
fi
if [ -z "${S2INFER_PYTHON:-}" ]; then
    if prepared "Python packages"; then
        export S2INFER_PYTHON=$root/.venv/bin/python
    else
        skip "Python packages" "every comparison with a Python reader, runtime or validator"
    fi
fi
if [ -z "${S2INFER_SERVERS:-}" ] && ! prepared "servers"; then
    skip "servers" "files at s3:// and https://"
fi
if [ -z "${S2INFER_MLFLOW:-}" ] && ! prepared "MLflow"; then
    skip "MLflow" "the trainer's logging to a real MLflow server"
fi

step_tests "tests" cargo test --release --locked --no-fail-fast "${without_trainer[@]}" -- --show-output
step_tests "examples in the documentation" cargo test --release --locked --doc
$libtorch && step_tests "tests, trainer" \
    cargo test --release --locked --no-fail-fast --features train "${with_trainer[@]}" -- --show-output
# Before the build, which is without the trainer: this uses what its tests have just built.
$libtorch && step "reproduce, small" ./scripts/reproduce.sh --small --coasts --force
step "statistics, other programs" "$(find_python)" scripts/cross-check-statistics.py
step "benches compile" cargo bench --locked --no-run
step "build" cargo build --release --locked
step "README commands" "${S2INFER_PYTHON:-$(find_python)}" scripts/readme_commands.py README.md
if [ -n "${S2INFER_PYTHON:-}" ]; then
    step "model manifests" "$S2INFER_PYTHON" tests/validate_manifest.py \
        models/s2infer-inference.schema.json models/*/model.json
else
    skip "Python packages" "validation of the model manifests"
fi
# A browser comes from the system's packages, which not every machine may install; the tests read the reports as XML too.
if step "browser" scripts/setup-browser.sh; then
    step "reports in a browser" .browser/bin/python scripts/check_report.py \
        calibration/*/*/report.html target/reproduce-small/calibration/*/*/report.html
else
    unset 'failed[-1]'
    without+=("browser: the reports at the widths of a desk, a tablet and a phone")
fi

conclude
