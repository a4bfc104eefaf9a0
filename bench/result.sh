# shellcheck shell=bash
# Sourced by the benchmarks.
# result METRIC OURS UNIT [PEER THEIRS [BOUND]] - one measurement, for bench/all. BOUND is what the ratio OURS/THEIRS, or without a peer OURS itself, is to be:
# "<=0.9", ">=1". A line of fields separated by tabs goes to FLANNELFLOW_BENCH_RESULTS, if that is set. The same from C#: Results.cs.
result() {
  [ -n "${FLANNELFLOW_BENCH_RESULTS:-}" ] || return 0
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" "${5:-}" "${6:-}" >>"$FLANNELFLOW_BENCH_RESULTS"
}
# median - of the numbers on standard input, one on each line; of none, nothing.
median() { sort -n | awk '{v[NR]=$1} END {if (NR) print (NR % 2) ? v[(NR+1)/2] : (v[NR/2] + v[NR/2+1]) / 2}'; }
