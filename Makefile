# make demo: see grtmon at work.  make test: see it proven.  make dist: what is released.  They set up what they need.

CARGO ?= cargo

.PHONY: build demo test test-kernels test-dist mutations bench dist lint setup setup-dist setup-go setup-test clean

build: setup
	$(CARGO) build --release --locked

demo: setup-go build
	tests/demo.sh

# Every Go version with GRTMON_TEST_MATRIX=wide, in every build too with GRTMON_TEST_MATRIX=full.
test: setup-test lint
	$(CARGO) test --locked --no-fail-fast

# Debian's kernels from 5.10 to the newest on amd64 and arm64, in QEMU without KVM. Writes tests/kernels/results.tsv, and
# from it the table in docs/kernels.md.
test-kernels: setup-test
	GRTMON_TEST_KERNELS=full $(CARGO) test --locked --test kernels -- --include-ignored --skip docs
	GRTMON_DOCS=write $(CARGO) test --locked --test kernels docs

# Breaks grtmon in many places, one at a time: each time a test must turn red. Takes the better part of an hour.
mutations: setup-test
	$(CARGO) test --locked --test mutations -- --ignored --nocapture

# What watching costs. Needs root and a quiet machine; with bpftrace installed, that too is measured.
bench: setup-test
	$(CARGO) bench --locked --bench cost

# Static executables for x86_64 and aarch64, .tar.gz, .deb and checksums, in target/dist.
dist: setup-dist
	packaging/dist.sh

# Builds it all a second time and compares; installs the package in fresh Debians. Needs root and some minutes.
test-dist: setup-test dist
	@tests/setup/packages.sh test-dist
	$(CARGO) test --locked --test dist -- --ignored --test-threads=1

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

setup:
	@tests/setup/packages.sh

setup-dist:
	@tests/setup/packages.sh dist
	@tests/setup/arm64.sh >/dev/null

setup-go:
	@tests/setup/packages.sh go
	@tests/setup/go.sh any >/dev/null

setup-test:
	@tests/setup/packages.sh test
	@tests/setup/programs.sh
	@tests/setup/go.sh any >/dev/null

clean:
	$(CARGO) clean
