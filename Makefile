# Two commands to begin with: `make run` and `make test`. `make help` lists the rest.

CARGO       ?= cargo
NIGHTLY     ?= nightly
BIN         := target/release/1mcp
SIM_SEEDS   ?= 1000
SOAK_S      ?= 1200
FUZZ_S      ?= 20
FUZZ_JOBS   ?= $(shell nproc)
PREFIX      ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)
FUZZ_TARGETS = $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

.DEFAULT_GOAL := help
.PHONY: help run test readme lint deps static dist test-static sim sim-long fuzz fuzz-one fuzz-long fuzz-tools bench outside \
        outside-long outside-tools soak release readme ci install clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

run: ## build, then serve the built-in demo at http://127.0.0.1:3050/mcp
	$(CARGO) build --release --bin 1mcp
	$(BIN) serve --demo

test: ## everything that needs only Rust
	$(CARGO) test --locked

readme: ## write the flag tables of README.md anew
	$(CARGO) build --locked --bin 1mcp
	@target/debug/1mcp __readme-flags > target/flags.md
	@sed -i -e '/^<!-- flags: begin/,/^<!-- flags: end/{/^<!-- flags/!d}' \
	    -e '/^<!-- flags: begin/r target/flags.md' README.md

lint: ## formatting, clippy and documentation, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

deps: ## no dependency that tests/outside/dependencies.txt does not explain
	@tests/outside/dependencies.sh

static: ## the static musl binary, checked and left at target/dist/1mcp
	@tests/outside/static.sh

dist: static ## the files of a release in target/dist: binary, archive, SHA256SUMS
	@tests/outside/dist.sh

test-static: static ## the tests that run the binary, on the static one
	$(CARGO) build --locked --example fixture
	ONE_MCP_BIN="$(CURDIR)/target/dist/1mcp" $(CARGO) test --locked --test e2e --test process

sim: ## the simulator, SIM_SEEDS=1000; so many must reach every branch that is marked
	SIM_SEEDS=$(SIM_SEEDS) $(CARGO) test --locked --profile sim --test sim -- --nocapture

sim-long: ## the simulator for a night
	SIM_SEEDS=1000000 $(CARGO) test --locked --profile sim --test sim -- --nocapture

fuzz: fuzz-tools ## every fuzz target, FUZZ_S=20 seconds each, FUZZ_JOBS at a time
	@test -n "$(FUZZ_TARGETS)" || { echo "fuzz: no targets in fuzz/fuzz_targets" >&2; exit 1; }
	$(CARGO) +$(NIGHTLY) fuzz build
	@printf '%s\n' $(FUZZ_TARGETS) | \
	    xargs -P $(FUZZ_JOBS) -I{} $(MAKE) --no-print-directory fuzz-one TARGET={}

fuzz-one: ## one fuzz target: TARGET=filter
	@test -n "$(TARGET)" || { echo "fuzz-one: TARGET= one of $(FUZZ_TARGETS)" >&2; exit 2; }
	@echo "fuzz: $(TARGET), $(FUZZ_S) s"
	@mkdir -p fuzz/corpus/$(TARGET)
	@seeds=; test ! -d fuzz/seeds/$(TARGET) || seeds=fuzz/seeds/$(TARGET); \
	$(CARGO) +$(NIGHTLY) fuzz run $(TARGET) fuzz/corpus/$(TARGET) $$seeds -- -verbosity=0 \
	    -max_total_time=$(FUZZ_S) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1

fuzz-long: ## every fuzz target for an hour
	@$(MAKE) --no-print-directory fuzz FUZZ_S=3600

fuzz-tools:
	@$(CARGO) +$(NIGHTLY) --version >/dev/null 2>&1 || { \
	    echo "fuzz: needs a nightly toolchain: rustup toolchain install nightly" >&2; exit 1; }
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --locked

release:
	$(CARGO) build --locked --release --bin 1mcp
	$(CARGO) build --locked --release --example fixture

bench: release static ## speed and memory against nginx and the bare pipe, as a table
	$(CARGO) build --locked --release --example load
	ONE_MCP_BIN=$${ONE_MCP_BIN:-target/dist/1mcp} target/release/examples/load $(BENCH_ARGS)

outside: release outside-tools ## suites, clients and servers that other people wrote (needs Node and Python)
	cd tests/outside && npm test --silent

outside-long: release outside-tools ## the same with many more rounds and calls, half an hour
	cd tests/outside && QUESTION_ROUNDS=20000 MEMORY_CALLS=2000000 MIXUP_CALLS=400000 SSE_IDLE_S=300 npm test --silent

soak: release outside-tools ## mixed load and faults for SOAK_S=1200 seconds: nothing grows, every call is counted
	cd tests/outside && SOAK_S=$(SOAK_S) npm run --silent soak

outside-tools:
	@tests/outside/tools.sh

ci: ## everything above, as the continuous integration runs it
	@.ci/run

install: ## copy the binary to PREFIX/bin (/usr/local, or ~/.local without root)
	$(CARGO) build --locked --release --bin 1mcp
	install -D -m 755 $(BIN) "$(DESTDIR)$(PREFIX)/bin/1mcp"

clean: ## remove what was built
	$(CARGO) clean
