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
build_release >/dev/null
say "building the tests"
swift build --build-tests || fail "the build failed" "mend what the lines above name"
say "running the tests"
swift test --skip-build || fail "tests failed" "swift test --filter NAME runs one suite alone"
say "all checks passed"
