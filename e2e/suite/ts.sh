#!/usr/bin/env bash
# Runs a TypeScript program: ts.sh FILE [ARGS...]
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"

out=$(mktemp --suffix=.mjs)
trap 'rm -f "$out"' EXIT
esbuild "$1" --bundle --platform=node --target=node24 --format=esm --log-level=warning --outfile="$out" \
  --banner:js="import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
node "$out" "${@:2}"
