# Thin on purpose: what happens is in scripts/. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help run setup build install image test conformance bench fmt lint clean uninstall

help: ## List the targets
	@sed -nE 's/^([a-z]+): ## (.*)/  make \1\t\2/p' Makefile | expand -t 18

run: ## Set up what is missing, then serve in the foreground (Ctrl-C stops the server, sessions live on)
	@exec scripts/run.sh

setup: ## Packages, programs and the first image, without serving
	@scripts/setup.sh

build: ## Build the programs
	@scripts/setup.sh build

install: ## Build, and install under /usr/local
	@scripts/setup.sh install

image: ## Build the images whose recipes changed (ARGS: only these)
	@ROADSTEAD_IMAGES="$(or $(ARGS),$(ROADSTEAD_IMAGES))" scripts/setup.sh install images

test: ## Set up, then run every test (ARGS: passed to cargo test)
	@scripts/test.sh $(ARGS)

conformance: ## Set up, then let every official SDK release run the scenarios (ARGS: passed on; --help)
	@scripts/conformance.sh $(ARGS)

bench: ## Set up, then measure next to crun (ARGS: passed on)
	@scripts/bench.sh $(ARGS)

fmt: ## Format the Rust code
	@cargo fmt --all

lint: ## Formatting, lints and shell scripts, as the gate sees them
	@scripts/lint.sh

clean: ## Remove what was built here (installed files stay: see uninstall)
	@cargo clean

uninstall: ## Stop everything and remove what was installed (PURGE=1: the data too)
	@scripts/uninstall.sh
