#!/bin/bash
# package.sh [OUT] - what others install, into OUT (default artifacts/package): flannelflow-VERSION-linux-x64.tar.gz, the same as a .deb, and
# SHA256SUMS. It brings its .NET runtime; the host needs Docker, iptables and, with no etcd elsewhere, etcd-server.
set -euo pipefail
cd "$(dirname "$0")/.."
build/packages.sh build
out=${1:-artifacts/package}
version=$(sed -n 's:.*<VersionPrefix>\(.*\)</VersionPrefix>.*:\1:p' Directory.Build.props)
name=flannelflow-$version-linux-x64
rm -rf "$out"; mkdir -p "$out/$name"
SELF_CONTAINED=1 build/publish.sh "$out/$name"
cp README.md "$out/$name/"; cp -r docs "$out/$name/docs"
find "$out/$name" -name '*.pdb' -delete
tar -C "$out" --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name"

# The package only brings files; what they do to a host is said by flannelflow install, once Docker is in a swarm. It copies them to the folder of their
# version: those here go while dpkg brings others, and what runs, and the version before, must not.
deb=$out/deb
mkdir -p "$deb/DEBIAN" "$deb/usr/lib/flannelflow" "$deb/usr/bin"
cp -r "$out/$name" "$deb/usr/lib/flannelflow/package"
cat >"$deb/usr/bin/flannelflow" <<'TEXT'
#!/bin/sh
# The installed version; where none is installed, the package's.
[ ! -x /usr/lib/flannelflow/current/flannelflow ] || exec /usr/lib/flannelflow/current/flannelflow "$@"
exec /usr/lib/flannelflow/package/flannelflow "$@"
TEXT
cat >"$deb/DEBIAN/control" <<TEXT
Package: flannelflow
Version: $version
Architecture: amd64
Maintainer: FlannelFlow <flannelflow@localhost>
Section: net
Priority: optional
Installed-Size: $(du -sk "$deb/usr" | cut -f1)
Depends: libc6, libstdc++6, libgcc-s1, zlib1g, iptables, nftables, util-linux, kmod
Recommends: docker.io | docker-ce
Suggests: etcd-server
Description: Docker Swarm networks whose every operation is a durable workflow
 A Docker network and IPAM plugin: a flannel VXLAN fabric per network, one load balancer per
 service and host, right DNS, and connections drained before backends go.
 After it is installed: flannelflow install
TEXT
cat >"$deb/DEBIAN/postinst" <<'TEXT'
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
program=/usr/lib/flannelflow/package/flannelflow
if [ ! -x /usr/lib/flannelflow/current/flannelflow ]; then echo "flannelflow: next, in a swarm: flannelflow install"
elif [ ! -d /run/systemd/system ] || ! systemctl -q is-enabled flannelflow 2>/dev/null; then
  echo "flannelflow: its service is not enabled, so the version before stays; to install this one: $program install"
elif ! $program upgrade; then
  echo "flannelflow: the version before goes on; when what stands above is mended: dpkg --configure -a" >&2
  exit 1
fi
TEXT
cat >"$deb/DEBIAN/prerm" <<'TEXT'
#!/bin/sh
set -e
[ "$1" = remove ] || exit 0
if [ -e /etc/systemd/system/flannelflow.service ] || [ -x /usr/lib/flannelflow/current/flannelflow ]; then flannelflow uninstall; fi
TEXT
chmod 755 "$deb/DEBIAN/postinst" "$deb/DEBIAN/prerm" "$deb/usr/bin/flannelflow"
dpkg-deb --root-owner-group -Zgzip --build "$deb" "$out/flannelflow_${version}_amd64.deb" >/dev/null
rm -rf "$deb" "${out:?}/$name"
(cd "$out" && sha256sum ./*.tar.gz ./*.deb >SHA256SUMS)
ls -l "$out"
