#!/bin/bash
# publish.sh [OUT] - builds what a host needs into OUT (default artifacts/flannelflow): the daemon with its workflows, flanneld, the
# bridge and the runtime wrapper (all three NativeAOT), and the managed plugin's folder. Only what changed is built again.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-artifacts/flannelflow}
publish() { # PROJECT EXTRA...
  local log; log=$(mktemp)
  if ! dotnet publish "$@" -c Release -r linux-x64 --nologo -v quiet -o "$out" >"$log" 2>&1; then cat "$log" >&2; rm -f "$log"; return 1; fi
  rm -f "$log"
}
# SELF_CONTAINED=1: with the .NET runtime, for hosts that have none.
if [ -n "${SELF_CONTAINED:-}" ]; then publish src/Host --self-contained; else publish src/Host --no-self-contained; fi
publish src/Flanneld
publish src/Bridge
publish src/RuntimeWrapper
rm -f "$out"/*.dbg "$out"/flanneld.pdb "$out"/flannelflow-bridge.pdb "$out"/flannelflow-runc.pdb
rm -rf "$out/workflows"; cp -r workflows "$out/workflows"
src/Bridge/plugin/build.sh "$out/flannelflow-bridge" "$out/plugin"
sed -n 's:.*<VersionPrefix>\(.*\)</VersionPrefix>.*:\1:p' Directory.Build.props >"$out/VERSION"
