#!/bin/bash
# packages.sh [host|build|test...]: installs the Debian packages that are missing of those that a host, the build or the tests call; without a word, all.
set -euo pipefail

# who needs it, package, what tells that it is there (a file, or a command), what it is for
needed='
host  docker.io         dockerd                   the Docker Engine: the lab starts one in each host
host  docker-cli        /usr/bin/docker           its command
host  etcd-server       /usr/bin/etcd             what hosts share, and the embedded default
host  etcd-client       /usr/bin/etcdctl          reading etcd in the lab and its tests
host  iproute2          /usr/bin/ip               network namespaces, links, routes
host  nftables          /usr/sbin/nft             rules, and reading them
host  iptables          /usr/sbin/iptables        rules beside those of Docker
host  busybox-static    /bin/busybox              the test image, made without a registry
host  jq                /usr/bin/jq               reading JSON in scripts
host  curl              /usr/bin/curl             asking a daemon over its unix socket
host  ipvsadm           /usr/sbin/ipvsadm         reading IPVS
host  kmod              /usr/sbin/modprobe        dockerd loads kernel modules where there are any
host  procps            /usr/bin/pgrep            finding processes
host  util-linux        /usr/bin/nsenter          entering namespaces
build clang             /usr/bin/clang            the linker of NativeAOT
build zlib1g-dev        /usr/include/zlib.h       what NativeAOT links against
test  iperf3            /usr/bin/iperf3           throughput, in the test image
test  user-mode-linux   /usr/bin/linux.uml        a kernel with IPVS, also where this machine has none: the guest of the lab
test  e2fsprogs         /usr/sbin/mkfs.ext4       the disk of that guest
test  systemd           /usr/bin/systemctl        machines in the lab, for what is installed as a service
test  dbus              /usr/bin/dbus-daemon      what systemctl speaks with it over
test  chromium          /usr/bin/chromium         a browser to look at the dashboard with
test  fonts-dejavu-core /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf letters for that browser
test  tcpdump           /usr/bin/tcpdump          what goes over the wire between hosts of the lab
test  bsdextrautils     /usr/bin/column           the table of bench/all
test  libfaketime       /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 a clock that jumps, for one host of the lab
test  dnsutils          /usr/bin/dig              asking our DNS servers, over UDP and TCP
test  dnsperf           /usr/bin/dnsperf          loading them
test  dnsmasq-base      /usr/sbin/dnsmasq         a peer to measure them with
test  musl-dev          /usr/lib/x86_64-linux-musl/libc.a the resolver of musl, to ask our DNS servers with
'

for word in "$@"; do
  case $word in host | build | test) ;; *) echo "packages: what is $word? (host, build, test)" >&2; exit 2 ;; esac
done
missing=()
while read -r who package file reason; do
  [ -n "$package" ] && [ ! -e "$file" ] && ! command -v "$file" >/dev/null || continue
  [ $# = 0 ] || [[ " $* " = *" $who "* ]] || continue
  echo "packages: $package is missing: $reason"
  missing+=("$package")
done <<<"$needed"
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" = 0 ] || { echo "packages: needs root to install them" >&2; exit 1; }
command -v apt-get >/dev/null || { echo "packages: no apt-get here: install the equivalents by hand" >&2; exit 1; }

# docker.io and etcd-server start their services when installed. Nothing may run afterwards that did not run before: a policy-rc.d,
# unless the machine has one already, tells invoke-rc.d to leave all services alone while these packages are configured.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
echo "packages: installing ${missing[*]}"
apt-get update -q
# Before Debian 13 there is no such package: docker.io brings its command.
apt-cache show docker-cli >/dev/null 2>&1 || for i in "${!missing[@]}"; do [ "${missing[i]}" != docker-cli ] || unset "missing[i]"; done
apt-get install -q -y --no-install-recommends "${missing[@]}"
