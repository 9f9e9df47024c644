#!/bin/sh
# packaging/pack.sh ARCH EXECUTABLE PAGES OUT: packs an executable and what the example `pages` made into OUT, as a .tar.gz
# and as a .deb. SOURCE_DATE_EPOCH is the time that everything gets: the same input makes the same bytes.
set -eu
umask 022
export LC_ALL=C TZ=UTC
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
arch=$1
executable=$2
pages=$3
out=$4
: "${SOURCE_DATE_EPOCH:?}"
export SOURCE_DATE_EPOCH

case $arch in
    x86_64) debian=amd64 ;;
    aarch64) debian=arm64 ;;
    *)
        echo "packaging/pack.sh: architecture $arch: x86_64 or aarch64" >&2
        exit 2
        ;;
esac
# manifest KEY: its value in [package], without quotes and brackets.
manifest() {
    sed -n "/^\[package\]/,/^\[/s/^$1 = \[*\"\(.*\)\"\]*/\1/p" "$root/Cargo.toml"
}
version=$(manifest version)
description=$(manifest description)
# A name without an address: the project has none, and whoever builds packages is not asked for theirs.
maintainer=$(manifest authors)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

# put FILE NAME: a copy that anybody may read.
put() {
    install -D -m 644 "$1" "$stage/$2"
}

# What is in both.
name=grtmon-$version-linux-$arch
mkdir -p "$stage/$name/licences"
built_using=$("$here/linked.sh" "$arch" "$stage/$name/licences")
built_using=$(echo "$built_using" | sort -u)
install -m 755 "$executable" "$stage/$name/grtmon"
for file in README.md LICENSE LICENSE-APACHE LICENSE-MIT; do
    put "$root/$file" "$name/$file"
done
for file in "$root"/docs/*.md; do
    put "$file" "$name/docs/$(basename "$file")"
done
put "$pages/THIRD-PARTY" "$name/THIRD-PARTY"
put "$pages/grtmon.8" "$name/man/grtmon.8"
for completion in grtmon.bash _grtmon grtmon.fish; do
    put "$pages/$completion" "$name/completions/$completion"
done
for example in Containerfile kubernetes systemd; do
    [ ! -e "$here/$example" ] || (mkdir -p "$stage/$name/examples" && cp -R "$here/$example" "$stage/$name/examples/")
done
rust=$(rustc --version | cut -d' ' -f2)
notices=$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html
[ ! -f "$notices" ] || put "$notices" "$name/licences/rust.html"
revision=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
while IFS= read -r line; do
    case $line in
        @BUILT_USING@) echo "$built_using" | sed 's/^/    /' ;;
        *) echo "$line" ;;
    esac
done <"$here/static-linking.in" |
    sed "s/@REVISION@/$revision/; s/@RUST@/$rust/; s/@ARCH@/$arch/" >"$stage/$name/static-linking"
chmod -R u=rwX,go=rX "$stage/$name"
find "$stage/$name" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$out"
tar -C "$stage" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner -cf - "$name" |
    gzip -9n >"$out/$name.tar.gz"

# The Debian package. It needs nothing of the system it is installed on, so it fits any release.
deb=$stage/deb
doc=$deb/usr/share/doc/grtmon
mkdir -p "$deb/DEBIAN" "$deb/usr/bin" "$doc"
cp "$stage/$name/grtmon" "$deb/usr/bin/"
put "$pages/grtmon.8" deb/usr/share/man/man8/grtmon.8
put "$pages/grtmon.bash" deb/usr/share/bash-completion/completions/grtmon
put "$pages/_grtmon" deb/usr/share/zsh/vendor-completions/_grtmon
put "$pages/grtmon.fish" deb/usr/share/fish/vendor_completions.d/grtmon.fish
put "$here/lintian-overrides" deb/usr/share/lintian/overrides/grtmon
cp -R "$stage/$name/licences" "$stage/$name/static-linking" "$pages/THIRD-PARTY" "$root/README.md" "$stage/$name/docs" "$doc/"
[ ! -d "$stage/$name/examples" ] || cp -R "$stage/$name/examples" "$doc/"
rm "$doc"/licences/*GPL-*
put "$root/LICENSE" deb/usr/share/doc/grtmon/copyright
{
    echo
    cat "$root/LICENSE-MIT"
    echo
    echo "The Apache License is in /usr/share/common-licenses/Apache-2.0, the GNU General"
    echo "Public License in /usr/share/common-licenses/GPL-2. What is linked into the"
    echo "executable has licences of its own: see static-linking beside this file."
} >>"$doc/copyright"
{
    echo "grtmon ($version) unstable; urgency=medium"
    echo
    echo "  * Built from revision $revision."
    echo
    echo " -- $maintainer <>  $(date -R -d "@$SOURCE_DATE_EPOCH")"
} >"$doc/changelog"
chmod -R u=rwX,go=rX "$doc"
gzip -9n "$deb/usr/share/man/man8/grtmon.8" "$doc/changelog" "$doc/THIRD-PARTY"
cat >"$deb/DEBIAN/control" <<END
Package: grtmon
Version: $version
Architecture: $debian
Maintainer: $maintainer
Section: devel
Priority: optional
Installed-Size: $(du -k --apparent-size -s "$deb" | cut -f1)
Built-Using: $(echo "$built_using" | paste -sd, | sed 's/,/, /g')
Description: $(echo "$description" | sed 's/^\(.\)/\l\1/')
 grtmon shows the goroutines, the scheduler, the garbage collector and the
 allocator of running Go programs: without changing, restarting or stopping
 them, also if they carry neither a symbol table nor DWARF.
 .
 It reads the memory of the process and sets uprobes through eBPF; "grtmon
 doctor" says what can be seen here.
END
(cd "$deb" && find usr -type f | sort | xargs md5sum) >"$deb/DEBIAN/md5sums"
chmod 644 "$deb"/DEBIAN/*
find "$deb" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
# Every dpkg in use reads xz.
dpkg-deb --root-owner-group -Zxz -b "$deb" "$out/grtmon_${version}_$debian.deb" >/dev/null
