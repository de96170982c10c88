#!/usr/bin/env bash
# Installs the Debian packages that tests and checks need and that are missing.
# Does nothing, and needs no root, where all of them are there.
set -euo pipefail

missing=()
PATH="$PATH:/usr/sbin:/usr/local/sbin"
command -v mariadbd >/dev/null || missing+=(mariadb-server)
command -v shellcheck >/dev/null || missing+=(shellcheck)
command -v systemd-analyze >/dev/null || missing+=(systemd)
# The status page is tested in a browser, and looks as it should with some font.
command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
# The race detector links with a C compiler.
if ! command -v gcc >/dev/null && ! command -v clang >/dev/null; then
	missing+=(gcc libc6-dev)
fi
# Of the package prometheus only the program that checks rules is wanted: the whole of it runs a server, and brings a
# dozen libraries of its pages.
promtool=
command -v promtool >/dev/null || promtool=prometheus
if [ "${#missing[@]}" -eq 0 ] && [ -z "$promtool" ]; then
	exit 0
fi

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "missing: ${missing[*]} $promtool; install these packages, on Debian as root with: apt-get install --no-install-recommends ${missing[*]} $promtool" >&2
	exit 1
fi

# Debian starts a service that it installs. Tests run servers of their own, so
# refuse that for the installation where nobody else has a say in it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive

install_packages() {
	[ "${#missing[@]}" -eq 0 ] || apt-get install -y --no-install-recommends "${missing[@]}"
}

install_promtool() {
	local dir
	[ -n "$promtool" ] || return 0
	dir=$(mktemp -d)
	(cd "$dir" && apt-get download "$promtool" && dpkg-deb -x ./*.deb . &&
		install -m 755 usr/bin/promtool /usr/local/bin/promtool) || return 1
	rm -rf "$dir"
}

echo "installing ${missing[*]} ${promtool:+promtool}"
if ! { apt-get update && install_packages && install_promtool; } </dev/null >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "apt-get could not install ${missing[*]} $promtool; its messages are above and in $log" >&2
	exit 1
fi
rm -f "$log"
