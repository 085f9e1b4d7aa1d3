# Weft from one place. `make help` lists what there is.
#
# Tools: Node 24 comes from the npm package `node` (node_modules/.bin), Rust from rust-toolchain.toml, Go from
# e2e/cluster/go.sh, each at its pinned version. What is built goes to ~/.cache/weft, so that a fresh clone on the
# same machine is warm.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export CARGO_TARGET_DIR ?= $(HOME)/.cache/weft/target
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help tools demo test check unit e2e conformance down kubeconfig image sbom audit reproduce figures scenarios chaos soak security bench bench-smoke bench-features bench-paused bench-profile bench-flame bench-guard bench-control-plane train unsupported generate format

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[36m%-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools: node_modules/.package-lock.json ## Install the pinned toolchain (idempotent)
	@e2e/suite/toolchain.sh

node_modules/.package-lock.json: package.json package-lock.json
	@[[ -L node_modules ]] || npm ci --no-audit --no-fund
	@touch $@

demo: tools ## From this machine to a canary over mutual TLS on a real cluster
	@e2e/demo/run.sh

test: tools ## Everything that CI runs: checks, unit tests, cluster tests
	@e2e/suite/run.sh check unit e2e

check: tools ## Formatters, linters, type checks, generated files
	@e2e/suite/run.sh check

unit: tools ## Tests beside the code, and the proxy's in network namespaces
	@e2e/suite/run.sh unit

e2e: tools ## Tests on the real cluster
	@e2e/suite/run.sh e2e

conformance: tools ## The official Gateway API suite against Weft on the local cluster
	@e2e/conformance/run.sh

image: tools ## Build the image and say what fills it
	@e2e/image/build.sh

sbom: image ## Write what the image is made of, and compare that with its files
	@e2e/supply/sbom.sh

audit: tools ## Look up known vulnerabilities of what the lock files name; says so where the database cannot be reached
	@e2e/suite/ts.sh e2e/supply/audit.ts

reproduce: tools ## Build the image twice from nothing and compare the digests, 15 minutes
	@e2e/supply/twice.sh

down: ## Stop the local cluster, without leftovers
	@e2e/cluster/down.sh

kubeconfig: ## Print the path of the local cluster's kubeconfig
	@e2e/cluster/kubeconfig.sh

figures: tools ## Measure on the local cluster what the mesh costs beside pods without it
	@e2e/suite/prepare.sh && e2e/suite/ts.sh bench/figures.ts

bench: tools ## Measure Weft beside Envoy, HAProxy and no proxy, and judge floors and goals
	@bench/run.sh

bench-smoke: tools ## Run the benchmark once and short: fails when it is broken, not when the machine is slow
	@bench/run.sh --smoke

bench-features: tools ## Measure what access rules, tokens, checks, limits and telemetry cost a proxy, beside Envoy's filters, 12 minutes
	@bench/run.sh --features

bench-paused: tools ## Measure what downloads and subscribers that pause cost other requests between the same two pods
	@bench/run.sh --paused

bench-profile: tools ## Count instructions and system calls of one request in each of Weft's proxies
	@bench/run.sh --profile

bench-flame: tools ## Draw where the time of a request goes in each of Weft's proxies, as flame graphs
	@bench/run.sh --flame

bench-control-plane: tools ## Measure the control plane on one core with 5,000 simulated proxies, and judge its goals
	@bench/control-plane/run.sh

bench-guard: tools ## Fail where a request costs over 5 % more instructions than was accepted
	@bench/run.sh --guard

train: tools ## Write down anew what the proxy does under load, for compiler and linker, about 12 minutes
	@proxy/train.sh

scenarios: tools ## Play what resilience must show, with real processes in network namespaces, and judge each row
	@e2e/scenarios/run.sh

chaos: tools ## Cut, delay and lose packets, kill and freeze the control plane, under traffic, and judge each row, about 8 minutes
	@e2e/chaos/run.sh

soak: tools ## Send traffic of all kinds for MINUTES (120) while everything changes, and say whether anything grows or is lost
	@e2e/soak/run.sh --minutes $(or $(MINUTES),120)

security: tools ## Try to get in where nobody may, row by row of what the documentation promises
	@e2e/security/run.sh

unsupported: node_modules/.package-lock.json ## Print each schema field that is refused as not supported yet
	@npm run --silent unsupported

generate: tools ## Write everything that is generated: wire types, CRDs, golden bytes, rendered manifests
	@e2e/suite/generate.sh

format: tools ## Format all code
	@prettier --write --log-level warn . && cargo fmt && gofmt -w e2e/apps
