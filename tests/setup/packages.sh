#!/bin/sh
# tests/setup/packages.sh [go | test | static | dist | test-dist]: what it takes to build grtmon (to build Go programs too, to
# test it, to link it statically, to make packages, to test those) and does not come through cargo. Looks for each thing itself, not for the
# package, so other distributions work too; installs what is missing through apt-get when root, else prints the command
# and stops.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cache.sh"

missing=""
# need PACKAGE COMMAND…: the Debian package that makes the command succeed.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

need gcc command -v cc
need libc6-dev test -e /usr/include/stdio.h
need make command -v make
need pkg-config command -v pkg-config
need clang command -v clang
need libelf-dev pkg-config --exists libelf
need zlib1g-dev pkg-config --exists zlib
case "${1:-}" in
    "" | go) cross="" ;;
    *) cross=yes ;;
esac
if [ -n "$cross" ]; then
    # For packaging/static.sh aarch64.
    need gcc-aarch64-linux-gnu command -v aarch64-linux-gnu-gcc
    need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/lib/libc.a
fi
if [ "${1:-}" = test ] || [ "${1:-}" = dist ]; then
    # For packaging/pack.sh.
    need dpkg command -v dpkg-deb
    need git command -v git
fi
if [ "${1:-}" = test-dist ]; then
    need debootstrap command -v debootstrap
    need util-linux command -v unshare
    need util-linux command -v setpriv
    need binutils command -v readelf
    need lintian command -v lintian
    # Runs the executable for the other architecture.
    need qemu-user-static command -v qemu-aarch64-static
fi
if [ "${1:-}" = test ]; then
    # For tests/dist: what reads the man page and the completions.
    need mandoc command -v mandoc
    if [ -n "${CI:-}" ]; then
        need fish command -v fish
        need zsh command -v zsh
        need groff-base command -v groff
        # For tests/manifests.
        need systemd command -v systemd-analyze
    fi
    # For tests/kernels.
    need qemu-system-x86 command -v qemu-system-x86_64
    need qemu-system-arm command -v qemu-system-aarch64
    # For the tests without root.
    need libcap2-bin command -v setcap
    need util-linux command -v setpriv
fi
if [ "${1:-}" = test ] || [ "${1:-}" = go ]; then
    # For tests/setup/go.sh.
    need python3 command -v python3
    need python3-venv python3 -c 'import venv, ensurepip'
    case "${GRTMON_TEST_MATRIX:-},${GRTMON_TEST_GO:-}," in
        full,* | wide,* | *,1.19,*)
            need golang-1.19-go test -x /usr/lib/go-1.19/bin/go
            need golang-1.19-src test -d /usr/lib/go-1.19/src/runtime
            ;;
    esac
fi

if [ -n "$missing" ]; then
    install="apt-get install -o DPkg::Lock::Timeout=300 --no-install-recommends -y$missing"
    if ! command -v apt-get >/dev/null; then
        say "missing; these are Debian's names for them:$missing"
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        say "missing:$missing"
        say "run this as root, then again what you just did:"
        say "    $install"
        exit 1
    fi
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # Fails where the package lists are old or not there.
    $install >&2 || { apt-get update >&2 && $install >&2; }
fi

# Debian 12's own Rust is older than rust-version in Cargo.toml.
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../../Cargo.toml")
found=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
if [ -z "$found" ] || [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n1)" != "$wanted" ]; then
    say "Rust $wanted or newer is needed, ${found:+not }${found:-and there is none}."
    say "Install it with rustup, Rust's installer: rustup toolchain install stable"
    exit 1
fi
if [ "${1:-}" = test ]; then
    for component in fmt clippy; do
        if ! cargo "$component" --version >/dev/null 2>&1; then
            say "cargo $component is missing: rustup component add rustfmt clippy"
            exit 1
        fi
    done
fi
if [ -n "$cross" ] && ! [ -d "$(rustc --print sysroot)/lib/rustlib/aarch64-unknown-linux-gnu" ]; then
    say "adding Rust's standard library for aarch64"
    if ! rustup target add aarch64-unknown-linux-gnu >&2; then
        say "no Rust for aarch64: rustup target add aarch64-unknown-linux-gnu"
        exit 1
    fi
fi
