#!/bin/bash
# build.sh BINARY OUTDIR: the folder that `docker plugin create flannelflow:latest OUTDIR` takes: config.json, and as root file system
# the published flannelflow-bridge with the libraries that ldd names and their loader.
set -euo pipefail
[ $# = 2 ] || { sed -n 2,3p "$0" >&2; exit 2; }
binary=$(realpath "$1") out=$2 here=$(realpath "$(dirname "$0")")
rm -rf "$out/rootfs"
mkdir -p "$out/rootfs"
cp "$here/config.json" "$out/config.json"
cp "$binary" "$out/rootfs/flannelflow-bridge"
# Lines of ldd: "name => /path (address)" and "/path/of/the/loader (address)"; the vdso has no path.
libraries=$(ldd "$binary")
if [[ $libraries == *"not found"* ]]; then
  echo "build.sh: a library of $binary is missing: $libraries" >&2
  exit 1
fi
for library in $(grep -o '/[^ ]*' <<<"$libraries"); do
  mkdir -p "$out/rootfs/$(dirname "$library")"
  cp -L "$library" "$out/rootfs/$library"
done
# Docker takes owner and mode as they are: nothing of the builder's may remain.
if [ "$(id -u)" = 0 ]; then chown -R 0:0 "$out"; fi
chmod -R u=rwX,go=rX "$out"
