#!/bin/sh
# tests/dist/install.sh SUITE DEB PROGRAM: installs the package in a fresh Debian of this suite, observes the Go program there,
# and purges the package. To be run in a mount namespace of its own.
set -eu
suite=$1
deb=$2
program=$3
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../setup/cache.sh"

# A fresh system is made once; each run unpacks it.
system=$cache/debootstrap-$suite.tar
if [ ! -f "$system" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk '$2 ~ /^(bullseye|bookworm|trixie|forky|duke|sid)$/ { print $1; exit }')
    [ -n "$mirror" ] || {
        say "apt is configured with no Debian mirror"
        exit 1
    }
    say "making a fresh $suite"
    made=$(mktemp -d)
    trap 'rm -rf --one-file-system "$made"' EXIT
    debootstrap --variant=minbase "$suite" "$made/root" "$mirror" >"$made/log" 2>&1 || {
        tail -n5 "$made/log" >&2
        exit 1
    }
    tar -C "$made/root" -cf "$system.$$" .
    mv "$system.$$" "$system"
    rm -rf --one-file-system "$made"
fi

root=$(mktemp -d)
pid=""
leave() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    umount -R "$root/proc" "$root/sys" 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap leave EXIT
tar -C "$root" -xf "$system"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
run() { chroot "$root" "$@"; }
fail() {
    echo "$suite: $*" >&2
    exit 1
}
# wait_for TEXT FILE: until the text is in a file of what a process says.
wait_for() {
    for _ in $(seq 600); do
        grep -q "$1" "$root/tmp/$2" && return
        sleep 0.1
    done
    fail "no \"$1\" in $2: $(cat "$root/tmp/$2")"
}

[ -z "$(ls "$root"/usr/lib/*/libelf* 2>/dev/null)" ] || fail "has libelf already: this would prove nothing"
# there: all there is, but for what apt, debconf and dpkg note down.
there() {
    run find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /var/lib/dpkg -o -path /var/lib/apt \
        -o -path /var/cache/apt -o -path /var/cache/debconf -o -path /var/log \) -prune -o -print | sort
}
there >"$root/tmp/before"
cp "$deb" "$root/tmp/grtmon.deb"
# As the README says.
run apt-get install -y /tmp/grtmon.deb
[ -z "$(run dpkg --audit)" ] || fail "dpkg --audit: $(run dpkg --audit)"
run dpkg -V grtmon

# The program waits for a line on its standard input, which is this pipe.
cp "$program" "$root/tmp/program"
mkfifo "$root/tmp/stdin"
chroot "$root" /tmp/program goroutines <"$root/tmp/stdin" >"$root/tmp/stdout" 2>&1 &
pid=$!
exec 9>"$root/tmp/stdin"
wait_for ready stdout
run grtmon version | grep -q '^linked *static$' || fail "not the static executable"
run grtmon ps | grep -q "^ *$pid .*program" || fail "ps does not show $pid: $(run grtmon ps)"
run grtmon dump --pid "$pid" | grep -q 'main\.' || fail "dump shows no function of the program"
run grtmon stat --pid "$pid" --count 1 | grep -q GOROS || fail "stat shows nothing"
chroot "$root" grtmon gr --pid "$pid" --output json >"$root/tmp/rows" 2>"$root/tmp/said" &
observer=$!
wait_for 'Ctrl-C to end' said
echo >&9
wait_for done stdout
kill -INT "$observer"
wait "$observer" || fail "gr: $(cat "$root/tmp/said")"
echo >&9
exec 9>&-
wait "$pid" || fail "the program did not end well: $(cat "$root/tmp/stdout")"
pid=""
created=$(grep -c '"event":"create"' "$root/tmp/rows") || fail "gr saw nothing: $(cat "$root/tmp/said")"
grep -q '"lost":\[\]' "$root/tmp/rows" || fail "gr lost some: $(tail -n1 "$root/tmp/rows")"

there >"$root/tmp/installed"
comm -13 "$root/tmp/before" "$root/tmp/installed" | grep -qx /usr/bin/grtmon || fail "/usr/bin/grtmon is not new"
# Once more, as an upgrade does it.
run apt-get install -y --reinstall /tmp/grtmon.deb
run apt-get purge -y grtmon
there >"$root/tmp/after"
changed=$(comm -3 "$root/tmp/before" "$root/tmp/after")
[ -z "$changed" ] || fail "not as before: $changed"
run dpkg-query -W grtmon 2>/dev/null && fail "dpkg still knows it"
echo "$suite: installed, saw $created goroutines created, purged"
