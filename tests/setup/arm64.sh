#!/bin/sh
# tests/setup/arm64.sh: prints a directory with Debian's arm64 builds of libelf and zlib, for the cross-build. They are
# unpacked into the cache: this machine's own package system need not know of the architecture.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cache.sh"
. "$here/debian.sh"

exec 9>"$cache/lock-arm64"
flock 9
if [ ! -d "$cache/arm64" ]; then
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
    say "fetching libelf and zlib for arm64"
    debian_lists arm64 "$suite"
    fetched=$(mktemp -d "$cache/fetched.XXXXXX")
    trap 'rm -rf "$fetched"' EXIT
    debian_unpack "$fetched" libelf-dev zlib1g-dev
    # A rename: nobody ever sees half of it.
    mv -T "$fetched" "$cache/arm64"
fi
echo "$cache/arm64"
