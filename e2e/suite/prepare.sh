#!/usr/bin/env bash
# Cluster, images and Weft itself: what the cluster tests and the demo start from. Each step is quick when done before.
set -euo pipefail
cd "$(dirname "$0")/../.."

e2e/image/build.sh
e2e/apps/build.sh
e2e/cluster/up.sh
e2e/cluster/load-image.sh "$HOME/.cache/weft/image/weft.tar"
e2e/cluster/load-image.sh "$HOME/.cache/weft/image/testapp.tar"
