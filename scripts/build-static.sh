#!/usr/bin/env bash
# Builds the fully static binary: musl, tract alone (the other engines need a dynamic loader), mimalloc for musl's slow
# allocator. Then shows that it runs in a directory tree that holds nothing but itself and some tiles.
#
#   ./scripts/build-static.sh [TILES]     default: the built-in model's example tiles
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
cd "$root"

tiles=${1:-models/construction/examples}
target=$(uname -m)-unknown-linux-musl
binary=${CARGO_TARGET_DIR:-target}/$target/release/s2infer

# 1. The tools.
command -v musl-gcc > /dev/null ||
    fail "musl-gcc is missing (the C parts are compiled with it); on Debian and Ubuntu: apt install musl-tools"
if ! rustc --target "$target" --print target-libdir 2> /dev/null | xargs -I{} test -d {}; then
    command -v rustup > /dev/null || fail "Rust's standard library for $target is missing, and there is no rustup"
    rustup target add "$target" || fail "could not add $target (no network?): rustup target add $target"
fi

# 2. The binary. Rust links with its own start files for musl: with musl-gcc as the linker the result would be
#    position-independent and ask for musl's dynamic loader.
export "CC_${target//-/_}=musl-gcc"
cargo rustc --release --locked --no-default-features --features mimalloc --target "$target" --bin s2infer \
    -- -C strip=symbols

# 3. No loader, no libraries. `ldd` alone is no proof: it calls a program that needs musl's loader static, too.
command -v readelf > /dev/null || fail "readelf is missing; on Debian and Ubuntu: apt install binutils"
headers=$(readelf --wide --program-headers --dynamic "$binary")
if grep -E 'INTERP|\(NEEDED\)' <<< "$headers" >&2; then
    fail "$binary is not static"
fi

# 4. The main job, as far from home as this user may go.
[ -d "$tiles" ] || fail "no tiles to try it on: $tiles"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cp "$binary" "$tree/s2infer"
cp -r "$tiles" "$tree/tiles"
if [ "$(id -u)" = 0 ]; then
    where="a root directory of its own"
    run=(env -i "$(command -v chroot)" "$tree" /s2infer)
elif unshare --map-root-user --root="$tree" /s2infer --version > /dev/null 2>&1; then
    where="a root directory of its own"
    run=(env -i "$(command -v unshare)" --map-root-user --root="$tree" /s2infer)
else
    where="an empty working directory and environment (this user may not change the root)"
    run=(env -i "$tree/s2infer")
fi
table=$(cd "$tree" && "${run[@]}" tiles --threshold-profile winter --quiet)
decided=$(grep -cE ',(positive|negative|abstain),' <<< "$table") || true
[ "$decided" -gt 0 ] || fail "it ran, but decided nothing:
$table"

say "$binary: static, $(($(stat -c %s "$binary") >> 20)) MiB, $decided tiles decided in $where"
