#!/bin/sh
# The real Go programs that the tests observe: Debian's prometheus and its node exporter. The packages
# are unpacked into the cache and not installed, so no service is started on this machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cache.sh"

for package in prometheus prometheus-node-exporter; do
    if command -v "$package" >/dev/null || [ -x "$cache/debian/usr/bin/$package" ]; then
        continue
    fi
    if ! command -v apt-get >/dev/null; then
        say "no $package here: the tests that observe it are skipped"
        continue
    fi
    say "fetching Debian's $package"
    fetched=$(mktemp -d "$cache/fetched.XXXXXX")
    trap 'rm -rf "$fetched"' EXIT
    chmod 755 "$fetched"
    if ! (cd "$fetched" && apt-get -o APT::Sandbox::User=root download -qq "$package" >&2); then
        if [ "$(id -u)" != 0 ]; then
            say "the package lists are old; run as root: apt-get update"
            exit 1
        fi
        apt-get update -qq >&2
        (cd "$fetched" && apt-get -o APT::Sandbox::User=root download -qq "$package" >&2)
    fi
    dpkg -x "$fetched"/*.deb "$fetched/root"
    mkdir -p "$cache/debian/usr/bin"
    # A rename: nobody ever sees half of it.
    mv "$fetched/root/usr/bin/$package" "$cache/debian/usr/bin/$package"
    rm -rf "$fetched"
done
