#!/usr/bin/env bash
# `make demo`: cluster, images, Weft, the shop, a canary, traffic, and a table that shows what happened.
set -euo pipefail
cd "$(dirname "$0")/../.."

start=$SECONDS
e2e/suite/prepare.sh
e2e/suite/ts.sh e2e/demo/main.ts
printf 'all of it took %d s\n' $((SECONDS - start))
