#!/bin/sh
# packaging/linked.sh ARCH DIRECTORY: prints which source packages of Debian a static executable for this architecture
# contains parts of, as "glibc (= 2.36-9)", one a line, and copies their copyright notices and licences into the directory.
set -eu
cd "$(dirname "$0")/.."
arch=$1
directory=$2

# linked NAME ROOT PACKAGE: a library, and the package below ROOT that it is from.
linked() {
    doc=$2/usr/share/doc/$3
    cp "$doc/copyright" "$directory/$1"
    if [ -f "$doc/changelog.Debian.gz" ]; then
        zcat "$doc/changelog.Debian.gz" | sed -n '1s/^\([^ ]*\) (\([^)]*\)).*/\1 (= \2)/p'
    else
        # Small images have no changelogs.
        dpkg-query -W -f '${source:Package} (= ${source:Version})\n' "$3"
    fi
}

# owner FILE: the installed package that a file is from.
owner() {
    dpkg-query -S "$(realpath "$1")" | sed 's/:.*//; q'
}

case $arch in
    x86_64)
        gcc=gcc
        root=""
        ;;
    aarch64)
        gcc=aarch64-linux-gnu-gcc
        root=$(tests/setup/arm64.sh)
        ;;
esac
libc=$(realpath "$($gcc -print-file-name=libc.a)")
# Debian has files of /usr/lib as files of /lib too.
linked glibc "" "$(owner "$libc" 2>/dev/null || owner "${libc#/usr}")"
linked libgcc "" "$(owner "$($gcc -print-libgcc-file-name)")"
linked elfutils "$root" libelf-dev
linked zlib "$root" zlib1g-dev
for licence in GPL-2 GPL-3 LGPL-2.1 LGPL-3; do
    cp "/usr/share/common-licenses/$licence" "$directory/"
done
