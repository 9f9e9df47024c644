#!/bin/sh
# packaging/static.sh ARCH [CARGO ARGUMENT…]: builds grtmon linked statically for x86_64 or aarch64, on x86_64, and prints
# where it is. The arguments choose another profile (--profile NAME) or more to build. What it takes is installed by
# tests/setup/packages.sh static ARCH.
set -eu
cd "$(dirname "$0")/.."

arch=${1:?usage: packaging/static.sh x86_64|aarch64 [CARGO ARGUMENT…]}
shift
case $arch in
    x86_64 | aarch64) ;;
    *)
        echo "packaging/static.sh: architecture $arch: x86_64 or aarch64" >&2
        exit 2
        ;;
esac
target=$arch-unknown-linux-gnu

# libbpf-sys looks for libelf.a and libz.a here: for the target, and for this machine, whose build scripts have it too.
export LIBBPF_SYS_LIBRARY_PATH_x86_64_unknown_linux_gnu=/usr/lib/x86_64-linux-gnu
if [ "$arch" = aarch64 ]; then
    arm64=$(tests/setup/arm64.sh)
    export LIBBPF_SYS_LIBRARY_PATH_aarch64_unknown_linux_gnu="$arm64/usr/lib/aarch64-linux-gnu"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    # zconf.h is a header of one architecture.
    export CFLAGS_aarch64_unknown_linux_gnu="-idirafter $arm64/usr/include"
fi
# For the target only: with --target, build scripts are built without it.
export RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }-C target-feature=+crt-static"

profile=release
previous=""
for argument in "$@"; do
    [ "$previous" != --profile ] || profile=$argument
    previous=$argument
done
[ "$profile" != release ] || set -- --release "$@"
${CARGO:-cargo} build --locked --features static --target "$target" --bin grtmon "$@" >&2
directory=$profile
[ "$profile" != dev ] || directory=debug
echo "${CARGO_TARGET_DIR:-target}/$target/$directory/grtmon"
