#!/usr/bin/env bash
# Installs what is missing, fetches the model that tests use, and runs every check of this repository.
# With CI set, compiler warnings are errors.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_what_is_missing
check_swift
launch/model.sh >/dev/null

say "checking the format"
swift format lint --strict --recursive --parallel Package.swift Sources Tests ||
  fail "the format is not the one of .swift-format" "swift format --in-place --recursive Package.swift Sources Tests"
# Optimised, as the program is used; internal names stay visible to the tests. A folder of its own keeps the program's build.
build=(-c release -Xswiftc -enable-testing --scratch-path .build-tests)
say "building program and tests (some minutes the first time)"
swift build "${build[@]}" --build-tests || fail "the build failed" "mend what the lines above name"
say "running the tests"
swift test "${build[@]}" --skip-build ||
  fail "tests failed" "swift test ${build[*]} --filter NAME runs one suite alone"
# Each reader of untrusted files for two seconds, from the committed inputs and always the same seed.
launch/fuzz.sh 2
# A short form of the tests under sanitizers.
launch/sanitize.sh short
# Short forms of the proofs, with the program that the tests have built.
export LORA_DIST=.build-tests/release/lora-dist
launch/prove-exact.sh tiny >/dev/null || fail "the result depends on ranks, threads or a resume" "launch/prove-exact.sh tiny"
launch/prove-unbreakable.sh 6 || fail "an interruption broke a run" "the lines above name it"
say "all checks passed"
