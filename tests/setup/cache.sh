# Where downloads are kept, outside the checkout: sourced by the other scripts here
# (tests/common/toolchain.rs follows the same rule). Remove the directory to start afresh.
cache="${GRTMON_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or GRTMON_CACHE}/.cache}/grtmon}"
mkdir -p "$cache"

# say TEXT…: progress, on stderr.
say() { echo "setup: $*" >&2; }
