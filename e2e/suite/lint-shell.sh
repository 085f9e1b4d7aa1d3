#!/usr/bin/env bash
# Lints every script git tracks with shellcheck.
set -euo pipefail
command -v shellcheck >/dev/null || { apt-get update -qq && apt-get install -qqy shellcheck >/dev/null; }
git ls-files '*.sh' .ci/run | xargs shellcheck -x -S warning
