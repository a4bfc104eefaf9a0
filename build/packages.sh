#!/bin/bash
# packages.sh: installs the Debian packages that FlannelFlow and its tests call, where they are missing. Used by ./run and ./test.
set -euo pipefail

# package, what tells that it is there, what it is for
needed='
docker.io       /usr/sbin/dockerd         the Docker Engine: the lab starts one in each host
etcd-server     /usr/bin/etcd             what hosts share, and the embedded default
etcd-client     /usr/bin/etcdctl          reading etcd in the lab and its tests
iproute2        /usr/bin/ip               network namespaces, links, routes
nftables        /usr/sbin/nft             rules, and reading them
iptables        /usr/sbin/iptables        rules beside those of Docker
busybox-static  /bin/busybox              the test image, made without a registry
iperf3          /usr/bin/iperf3           throughput, in the test image
jq              /usr/bin/jq               reading JSON in scripts
curl            /usr/bin/curl             asking a daemon over its unix socket
user-mode-linux /usr/bin/linux.uml        a kernel with IPVS, also where this machine has none: the guest of the lab
e2fsprogs       /usr/sbin/mkfs.ext4       the disk of that guest
ipvsadm         /usr/sbin/ipvsadm         reading IPVS in tests; the peer of the benchmark
systemd         /usr/bin/systemctl        machines in the lab, for what is installed as a service
dbus            /usr/bin/dbus-daemon      what systemctl speaks with it over
kmod            /usr/sbin/modprobe        dockerd loads kernel modules where there are any
procps          /usr/bin/pgrep            finding processes
util-linux      /usr/bin/nsenter          entering namespaces
chromium        /usr/bin/chromium         a browser to look at the dashboard with
fonts-dejavu-core /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf  letters for that browser
tcpdump         /usr/bin/tcpdump          what goes over the wire between hosts of the lab
bsdextrautils   /usr/bin/column           the table of bench/all
libfaketime     /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1  a clock that jumps, for one host of the lab
dnsutils        /usr/bin/dig              asking our DNS servers, over UDP and TCP
dnsperf         /usr/bin/dnsperf          loading them
dnsmasq-base    /usr/sbin/dnsmasq         a peer to measure them with
musl-dev        /usr/lib/x86_64-linux-musl/libc.a  the resolver of musl, to ask our DNS servers with
clang           /usr/bin/clang            the linker of NativeAOT
zlib1g-dev      /usr/include/zlib.h       what NativeAOT links against
'

missing=()
while read -r package file reason; do
  [ -n "$package" ] && [ ! -e "$file" ] || continue
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
apt-get install -q -y --no-install-recommends "${missing[@]}"
