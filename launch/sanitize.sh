#!/usr/bin/env bash
# Runs the tests under the compiler's sanitizers:
#
#   launch/sanitize.sh [short|long] [address|undefined|thread]
#
# long (default): all tests under AddressSanitizer and UndefinedBehaviorSanitizer, and those with threads under ThreadSanitizer,
# about an hour on two cores. short: the engine and the readers of weight files alone. A finding fails the test that met it.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

form=${1:-long}
[[ $form == short || $form == long ]] || fail "\"$form\" is no form" "launch/sanitize.sh short | long"
sanitizers=("${@:2}")
[ ${#sanitizers[@]} -gt 0 ] || sanitizers=(address undefined thread)
install_what_is_missing
check_swift
if [ "$form" = short ]; then export LORA_DIST_PART=1; fi

# The tests that sanitizers leave out, as a regular expression: speed and memory are not what they are without, and the memory of
# another process is not to be searched for a number.
left_out='RunCostTests|MemoryLimitTests|ProcessMemoryTests|flippedBit'

# The suites that use threads, for ThreadSanitizer.
threaded='WorkersTests|ExactSumsTests|PackedProductTests|StoredProductTests|GemmTests|ElementwiseTests|AdamWTests'
threaded+='|AttentionTests|ProjectionGroupTests|VocabularyHeadTests|RMSNormTests|SwiGLUTests|TinyTrainingTests'
threaded+='|CheckpointTests|StopTests|ProgramTests|ResumeTests'

for sanitizer in "${sanitizers[@]}"; do
  [[ $sanitizer == address || $sanitizer == undefined || $sanitizer == thread ]] ||
    fail "there is no sanitizer \"$sanitizer\"" "known are address, undefined and thread"
  # Optimised, with the checks of debug builds.
  build=(-c release -Xswiftc -enable-testing -Xswiftc -assert-config -Xswiftc Debug
    --scratch-path ".build-$sanitizer-$form")
  if [ "$sanitizer" = undefined ]; then
    # For C alone, Swift has checks of its own; a finding is a trap, which needs no library.
    build+=(-Xcc -fsanitize=undefined -Xcc -fsanitize-trap=undefined)
  else
    build+=(--sanitize "$sanitizer")
  fi
  say "building for the $sanitizer sanitizer"
  swift build "${build[@]}" --build-tests >&2 || fail "the build failed" "mend what the lines above name"
  say "testing under the $sanitizer sanitizer"
  which=(--skip "$left_out")
  if [ "$sanitizer" = thread ]; then which+=(--filter "$threaded"); fi
  # What MPI and OpenBLAS keep until the end is theirs, SIGBUS is caught by the program; a finding ends the process.
  ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1:handle_sigbus=0 \
    TSAN_OPTIONS="halt_on_error=1:suppressions=$PWD/launch/thread-sanitizer.txt" \
    swift test "${build[@]}" --skip-build "${which[@]}" >&2 ||
    fail "the $sanitizer sanitizer found something" "the lines above tell what"
done
say "the sanitizers found nothing"
