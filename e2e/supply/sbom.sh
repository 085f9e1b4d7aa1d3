#!/usr/bin/env bash
# Writes ~/.cache/weft/image/weft.cdx.json: what is in the image that e2e/image/build.sh made last, as a CycloneDX bill of
# materials. Fails where a file of the image belongs to nothing in it, or where it lists what is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=../image/engine.sh
source e2e/image/engine.sh

e2e/suite/ts.sh e2e/supply/main.ts sbom dist/weft.mjs "$ARCH" "$IMAGE_DIR/weft.tar" "$IMAGE_DIR/weft.cdx.json"
