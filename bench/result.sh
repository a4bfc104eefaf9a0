# shellcheck shell=bash
# Sourced by the benchmarks, for bench/all. The same from C#: Results.cs.
# result METRIC OURS UNIT [PEER THEIRS [BOUND]] - one measurement. BOUND is what the ratio OURS/THEIRS, or without a peer OURS itself, is to be:
# "<=0.9", ">=1". A line of fields separated by tabs goes to FLANNELFLOW_BENCH_RESULTS, if that is set.
result() {
  [ -n "${FLANNELFLOW_BENCH_RESULTS:-}" ] || return 0
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" "${5:-}" "${6:-}" >>"$FLANNELFLOW_BENCH_RESULTS"
}
