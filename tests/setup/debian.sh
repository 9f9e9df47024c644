# Debian packages of any architecture and suite, from the mirrors that apt is configured with and with lists of our
# own, so that nothing of this machine's package system changes: sourced by the other scripts here, after cache.sh.

# unavailable TEXT…: cannot be had here; says why and ends as a test that is skipped does.
unavailable() {
    say "$@"
    exit 77
}

# debian_lists ARCH SUITE…: from now on `debian` is about these suites. Lists are renewed twice a day.
debian_lists() {
    command -v apt-get >/dev/null || unavailable "not a Debian machine: no apt-get"
    debian_arch=$1
    shift
    debian_home="$cache/apt/$debian_arch-$(echo "$*" | tr ' ' '+')"
    mkdir -p "$debian_home/lists/partial" "$debian_home/archives/partial"
    : >"$debian_home/status"
    targets=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(SIGNED_BY)' 'Created-By: Packages')
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    key=""
    [ ! -e "$keyring" ] || key=" signed-by=$keyring"
    for suite in "$@"; do
        # A mirror of security suites has nothing else, and the other way round.
        case $suite in
            *-security) kind='/^[a-z]+-security$/' ;;
            *) kind='/^(bullseye|bookworm|trixie|forky|duke|sid)$/' ;;
        esac
        uri=$(echo "$targets" | awk "\$2 ~ $kind { print \$1; exit }")
        [ -z "$uri" ] || echo "deb [arch=$debian_arch target=Packages$key] $uri $suite main"
    done >"$debian_home/sources.new"
    [ -s "$debian_home/sources.new" ] || unavailable "apt is configured with no Debian mirror"
    if cmp -s "$debian_home/sources.new" "$debian_home/sources.list" &&
        [ -n "$(find "$debian_home/stamp" -mmin -720 2>/dev/null)" ]; then
        return
    fi
    mv "$debian_home/sources.new" "$debian_home/sources.list"
    # A suite that the mirror has no longer is not in the way of the others.
    debian apt-get update >/dev/null 2>"$debian_home/log" || say "$(tail -n1 "$debian_home/log")"
    touch "$debian_home/stamp"
}

# debian COMMAND…: apt-get or apt-cache with these lists.
debian() {
    command=$1
    shift
    "$command" -qq -o "APT::Architecture=$debian_arch" -o "APT::Architectures=$debian_arch" \
        -o "Dir::State=$debian_home" -o "Dir::State::Lists=$debian_home/lists" \
        -o "Dir::State::status=$debian_home/status" -o "Dir::Cache=$debian_home" \
        -o "Dir::Etc::sourcelist=$debian_home/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User= "$@"
}

# debian_unpack DIRECTORY PACKAGE…: false, with apt's last word on stderr, where the archive has no such file.
debian_unpack() {
    unpacked=$1
    shift
    mkdir -p "$unpacked/debs"
    if ! (cd "$unpacked/debs" && debian apt-get download "$@" >/dev/null 2>"$debian_home/log"); then
        say "$*: $(tail -n1 "$debian_home/log")"
        return 1
    fi
    for deb in "$unpacked"/debs/*.deb; do
        dpkg-deb -x "$deb" "$unpacked"
    done
    rm -r "$unpacked/debs"
}
