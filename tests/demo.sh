#!/bin/sh
# make demo: the bundled Go program, and each command of grtmon on it for a few seconds.
set -eu
cd "$(dirname "$0")/.."

go=$(tests/setup/go.sh any)/bin/go
echo "Building the Go program testgo with $("$go" version)"
. tests/setup/cache.sh
mkdir -p target/demo
(cd testgo && env -u GOROOT GOTOOLCHAIN=local GOENV=off GOPROXY=off GOFLAGS=-buildvcs=false GOCACHE="$cache/go-build" \
    CGO_ENABLED=0 "$go" build -o ../target/demo/testgo .)

root=""
if [ "$(id -u)" != 0 ]; then
    root=sudo
    echo "Observing takes CAP_BPF and CAP_PERFMON: grtmon runs through sudo."
fi

# testgo ends when its stdin does, which is this pipe.
pipe=$(mktemp -u target/demo/stdin.XXXXXX)
mkfifo "$pipe"
target/demo/testgo demo <"$pipe" &
pid=$!
exec 9>"$pipe"
rm -f "$pipe"
trap 'exec 9>&-; wait "$pid"' EXIT

show() {
    title=$1
    shift
    echo
    echo "───── $title"
    echo "\$ grtmon $*"
    $root target/release/grtmon "$@"
}

show "Every Go process here" ps
show "What can be seen of this program" doctor --pid "$pid"
show "Goroutines as they are created and end" gr --pid "$pid" --duration 3s --count 25
show "How long goroutines run" gr seq --pid "$pid" --duration 4s
show "Where the time of goroutines goes" sched --pid "$pid" --duration 3s
show "Garbage collection" gc --pid "$pid" --duration 6s
show "All of it at a glance (without --once: live, with keys)" top --once --duration 10s --pid "$pid"
show "The same and more, a line per second" stat --pid "$pid" --count 4
show "Allocations by size class" gm --pid "$pid" --duration 3s
echo
echo "That was testgo. On your own program: ${root:+$root }target/release/grtmon gr --pid PID"
