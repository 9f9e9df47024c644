#!/bin/sh
# packaging/dist.sh [ARCH…]: what is released, in target/dist: for each architecture (x86_64 and aarch64 as a rule) the
# static executable, a .tar.gz and a .deb with it; and SHA256SUMS. The same revision, built with the same tools, makes the
# same bytes, wherever the checkout lies.
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C
cargo=${CARGO:-cargo}
out=target/dist

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} || {
    echo "packaging/dist.sh: this is no git checkout; set SOURCE_DATE_EPOCH to the time of the release" >&2
    exit 1
}
export SOURCE_DATE_EPOCH
if [ -n "$(git status --porcelain 2>/dev/null)" ]; then
    echo "packaging/dist.sh: there are changes that are not committed: nobody can make these packages again" >&2
fi

# Neither this machine's paths nor what its user has set for other builds gets into the executable.
unset CARGO_ENCODED_RUSTFLAGS CFLAGS CXXFLAGS LDFLAGS
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
case "$PWD$target" in
    *[[:space:]]*)
        # RUSTFLAGS are separated by spaces.
        echo "packaging/dist.sh: neither the checkout's path nor the target directory's may have a space in it" >&2
        exit 1
        ;;
esac
RUSTFLAGS="-C strip=symbols"
for path in "${CARGO_HOME:-$HOME/.cargo}/registry/src=cargo" "$PWD=grtmon" "$target=target"; do
    RUSTFLAGS="$RUSTFLAGS --remap-path-prefix=$path"
done
export RUSTFLAGS

rm -rf "$out"
mkdir -p "$out"
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
# Not with the flags above: built once for the tests, it is built.
env -u RUSTFLAGS "$cargo" run --quiet --locked --example pages -- "$pages" "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)"
[ $# -gt 0 ] || set -- x86_64 aarch64
for arch in "$@"; do
    executable=$(packaging/static.sh "$arch")
    packaging/pack.sh "$arch" "$executable" "$pages" "$out"
    install -m 755 "$executable" "$out/grtmon-linux-$arch"
done
(cd "$out" && sha256sum -- * >SHA256SUMS)
ls -l "$out" >&2
