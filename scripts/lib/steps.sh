# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by test.sh: steps with their durations, what was skipped, and the verdict.

logs=$root/target/test-logs
mkdir -p "$logs"
declare -A preparing
failed=()
skipped=()
without=()

log_of() { printf '%s/%s.log' "$logs" "${1//[ ,]/-}"; }

# step NAME COMMAND…: runs it, prints one line, and the log's end where it failed.
step() {
    local name=$1 status=0 started=$SECONDS
    shift
    "$@" > "$(log_of "$name")" 2>&1 < /dev/null || status=$?
    verdict "$name" $status $((SECONDS - started)) "$*"
}

# prepare NAME COMMAND…: begins what mostly waits for the network, beside the steps that follow.
prepare() {
    local name=$1
    shift
    "$@" > "$(log_of "$name")" 2>&1 < /dev/null &
    preparing[$name]=$!
}

# prepared NAME: waits for it; one line with the time that the wait took.
prepared() {
    local status=0 started=$SECONDS
    wait "${preparing[$1]}" || status=$?
    verdict "$1" $status $((SECONDS - started)) "see scripts/setup-*.sh"
}

# verdict NAME STATUS SECONDS WHAT
verdict() {
    if [ "$2" = 0 ]; then
        printf 'ok      %-24s %4d s\n' "$1" "$3"
        return 0
    fi
    printf 'FAILED  %-24s %4d s   %s\n' "$1" "$3" "$4"
    tail -n 40 "$(log_of "$1")" | sed 's/^/        /'
    failed+=("$1")
    return 1
}

# step_tests NAME COMMAND…: the same for cargo test, with its summaries and whatever its tests skipped. A test that
# misses what must be there fails by itself; what it may skip everywhere, such as data that no script installs, is no
# failure here either.
step_tests() {
    local name=$1 log line
    log=$(log_of "$name")
    step "$@"
    # What cargo says of failed tests: their output, then their names.
    sed -n '/^failures:$/,/^test result: /p' "$log" | head -n 200
    grep -E '^(test result: |test .* FAILED$)' "$log"
    while IFS= read -r line; do
        without+=("$name: ${line#SKIPPED: }")
    done < <(grep -h '^SKIPPED: ' "$log" | sort -u)
}

# forgive NAME WHY: the failed step is only a loss where nothing is required.
forgive() {
    [ "$S2INFER_REQUIRE_ALL" = 1 ] && return
    unset 'failed[-1]'
    printf 'note    %-24s %s\n' "$1" "$2"
}

# skip NAME WHAT: notes what does not run because NAME is missing.
skip() {
    [ "${#failed[@]}" -gt 0 ] && [ "${failed[-1]}" = "$1" ] && [ "$S2INFER_REQUIRE_ALL" != 1 ] && unset 'failed[-1]'
    skipped+=("$1: $2")
}

conclude() {
    local entry
    for entry in "${skipped[@]}" "${without[@]}"; do
        printf 'SKIPPED %s\n' "$entry"
    done
    if [ "$S2INFER_REQUIRE_ALL" = 1 ] && [ "${#skipped[@]}" -gt 0 ]; then
        failed+=("nothing may be skipped where S2INFER_REQUIRE_ALL=1")
    fi
    if [ "${#failed[@]}" -gt 0 ]; then
        for entry in "${failed[@]}"; do
            printf 'FAILED  %s\n' "$entry"
        done
        printf 'after %d s; logs in %s\n' "$SECONDS" "${logs#"$root"/}"
        exit 1
    fi
    printf 'All checks passed in %d s.\n' "$SECONDS"
}
