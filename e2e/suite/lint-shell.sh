#!/usr/bin/env bash
# shellcheck over every script git tracks.
set -euo pipefail
command -v shellcheck >/dev/null || { apt-get update -qq && apt-get install -qqy shellcheck >/dev/null; }
git ls-files '*.sh' .ci/run | xargs shellcheck -x -S warning
