#!/usr/bin/env bash
# Fuzzes the readers of files that come from strangers: launch/fuzz.sh [SECONDS-PER-PARSER [PARSER…]], an hour for each
# of them unless told otherwise, as many at a time as there are cores. A finding is a crash, more than 1 s of one core or more
# than 256 MiB; its input is kept, and the exit code is 1. Runs of a minute or more go on from the inputs of earlier ones.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=${1:-3600}
shift $(($# > 0 ? 1 : 0))
all=(json safetensors index gguf config tokenizer vocabulary pattern text template rows adapter matrices)
parsers=("$@")
[ ${#parsers[@]} -gt 0 ] || parsers=("${all[@]}")
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "\"$seconds\" is no number of seconds" "launch/fuzz.sh 60 gguf tokenizer"
for parser in "${parsers[@]}"; do
  [[ " ${all[*]} " == *" $parser "* ]] || fail "there is no parser \"$parser\"" "known are ${all[*]}"
done

# The fixtures of the other tests that are good inputs for a parser.
fixtures() {
  local models=Tests/ModelsTests/Fixtures tokenizers=Tests/TokenizersTests/Fixtures
  local templates=Tests/ChatTemplatesTests/Fixtures
  case $1 in
  json) ls $models/*/config.json Tests/DatasetsTests/Fixtures/tokenizer/*.json $templates/conversations.json ;;
  safetensors) ls Tests/WeightFilesTests/Fixtures/{mixed,written*}.safetensors $models/mistral/model.safetensors ;;
  index) ls $models/*/model.safetensors.index.json ;;
  gguf) ls Tests/WeightFilesTests/Fixtures/*.gguf $models/gguf/*.gguf $tokenizers/*.gguf ;;
  config) ls $models/*/config.json ;;
  tokenizer) ls $tokenizers/*/tokenizer.json Tests/DatasetsTests/Fixtures/tokenizer/tokenizer.json ;;
  vocabulary) ls $models/chat/tokenizer_config.json Tests/DatasetsTests/Fixtures/tokenizer/tokenizer_config.json ;;
  template) ls $templates/templates/*.jinja ;;
  adapter) ls $models/*/adapter*/adapter_config.json ;;
  matrices) ls $models/*/adapter*/adapter_model.safetensors ;;
  esac
}

# Libraries are optimised, yet keep the checks of debug builds, so that a read outside a mapped file shows.
work=.build-fuzz
say "building the fuzzers (some minutes the first time)"
LORA_DIST_FUZZ=1 swift build -c release --sanitize fuzzer -Xswiftc -assert-config -Xswiftc Debug --product fuzz \
  --scratch-path $work >&2 || fail "the build failed" "mend what the lines above name"
mkdir -p $work/findings $work/logs

fuzz() {
  local parser=$1 seeds corpus file number=0 options
  seeds=$(mktemp -d)
  # Files of one name from several folders: numbered.
  while IFS= read -r file; do
    number=$((number + 1))
    cp "$file" "$seeds/$number-$(basename "$file")"
  done < <(fixtures "$parser" && find Tests/Fuzz/Seeds/"$parser" Tests/UntrustedTests/KnownBad/"$parser" -type f 2>/dev/null)
  corpus=$work/corpus/$parser
  [ "$seconds" -ge 60 ] || corpus=$(mktemp -d)
  mkdir -p "$corpus"
  options=(-seed=1 -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1
    -artifact_prefix="$work/findings/$parser-")
  if [ -f "Tests/Fuzz/Dictionaries/$parser.txt" ]; then options+=(-dict="Tests/Fuzz/Dictionaries/$parser.txt"); fi
  local code=0
  # A crash is written down by libFuzzer, so Swift's own handler stays out of the way.
  (ulimit -v 8000000 && SWIFT_BACKTRACE=enable=no $work/release/fuzz "${options[@]}" "$corpus" "$seeds" \
    --parser="$parser") >"$work/logs/$parser.txt" 2>&1 || code=$?
  rm -rf "$seeds"
  [ "$seconds" -ge 60 ] || rm -rf "$corpus"
  local runs
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/logs/$parser.txt")
  if [ $code -eq 0 ]; then
    printf '%-12s %10s executions, nothing found\n' "$parser" "$runs"
  else
    printf '%-12s %10s executions, then a finding: %s\n' "$parser" "${runs:-?}" \
      "$(sed -n 's/.*Test unit written to //p' "$work/logs/$parser.txt" | tail -n 1)"
    printf '%-12s see %s; put the input into Tests/UntrustedTests/KnownBad/%s when it is mended\n' "" \
      "$work/logs/$parser.txt" "$parser"
    return 1
  fi
}

say "fuzzing ${parsers[*]} for $seconds s each"
failures=0
running=0
for parser in "${parsers[@]}"; do
  if [ $running -ge "$(nproc)" ]; then
    wait -n || failures=$((failures + 1))
    running=$((running - 1))
  fi
  fuzz "$parser" &
  running=$((running + 1))
done
while [ $running -gt 0 ]; do
  wait -n || failures=$((failures + 1))
  running=$((running - 1))
done
[ $failures -eq 0 ] || fail "$failures of ${#parsers[@]} parsers have a finding"
