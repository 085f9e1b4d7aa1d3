#!/usr/bin/env bash
# Lints every script git tracks with shellcheck.
set -euo pipefail
e2e/suite/debian.sh shellcheck=shellcheck
git ls-files '*.sh' .ci/run | xargs shellcheck -x -S warning
