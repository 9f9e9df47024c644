#!/bin/sh
# tests/setup/kernel.sh ARCH SERIES [FLAVOUR]: prints a directory that holds one of Debian's kernels for amd64 or arm64
# (DIR/vmlinuz, DIR/release), fetched into the cache unless it is there. SERIES is the beginning of a version (6.1) or
# `newest`; FLAVOUR is cloud (the default: small, and boots fast in a virtual machine), rt, or 16k. Ends with 77 and the
# reason when the archive has none.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cache.sh"
. "$here/debian.sh"

arch=$1 series=$2 flavour=${3:-cloud}
case $flavour in
    16k) suffix=$arch-16k ;;
    *) suffix=$flavour-$arch ;;
esac
place="$cache/kernels/$arch/$flavour/$series"

# Several tests ask at once.
exec 9>"$cache/lock-kernels-$arch"
flock 9

# A newest one of last month will not do; any other is as good as on its first day.
if [ -d "$place" ] && { [ "$series" != newest ] || [ -z "$(find "$place" -maxdepth 0 -mtime +7)" ]; }; then
    echo "$place"
    exit
fi

# releases: of this series and flavour, newest first.
releases() {
    wanted=""
    [ "$series" = newest ] || wanted=$series
    debian apt-cache pkgnames linux-image- |
        sed -n "s/^linux-image-\([0-9].*\)-$suffix\$/\1/p" |
        awk -v s="$wanted" 's == "" || index($0, s ".") == 1 || index($0, s "-") == 1' |
        grep -E '^[0-9]+\.[0-9]+\.[0-9]' | sort -rV
}

fetch() {
    release=$1-$suffix
    # Since 6.19 linux-image-* is empty and depends on the package that has the kernel.
    package=linux-binary-$release
    debian apt-cache show "$package" >/dev/null 2>&1 || package=linux-image-$release
    fetched=$(mktemp -d "$cache/fetched.XXXXXX")
    say "fetching the kernel $release"
    if debian_unpack "$fetched" "$package"; then
        image=$(find "$fetched" -name 'vmlinuz*' -type f | head -n1)
        if [ -n "$image" ]; then
            mkdir "$fetched/kernel"
            mv "$image" "$fetched/kernel/vmlinuz"
            echo "$release" >"$fetched/kernel/release"
            mkdir -p "$(dirname "$place")"
            rm -rf "$place"
            mv -T "$fetched/kernel" "$place"
        fi
    fi
    rm -rf "$fetched"
    [ -d "$place" ]
}

# The lists of these are small and have nearly all; those of whole releases are read only for what is left.
for suites in "bullseye-security bookworm-security trixie-security trixie-backports" "bullseye bookworm trixie sid"; do
    debian_lists "$arch" $suites
    tried=0
    for release in $(releases); do
        # The lists may name a file that the archive has lost.
        tried=$((tried + 1))
        [ "$tried" -le 6 ] || break
        if fetch "$release"; then
            echo "$place"
            exit
        fi
    done
done
unavailable "the archive has no kernel $series ($suffix)"
