#!/usr/bin/env bash
# Prepares an earlier state of this repository, to upgrade from: previous.sh REVISION FOLDER puts its sources, and so its charts, into FOLDER,
# and an image with its control plane, docker.io/weft/weft:previous, into FOLDER/weft.tar. All else in the image is that of today, which
# must have been built: a proxy takes a quarter of an hour.
#   WEFT_PREVIOUS_PROXY=FILE    the proxy of that state, where there is one
set -euo pipefail
: "${2:?usage: previous.sh REVISION FOLDER}"
mkdir -p "$2"
folder=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=engine.sh
source e2e/image/engine.sh

today=$IMAGE_DIR/weft.tar
[[ -f $today ]] || {
  echo "previous.sh: $today is not there; make image first" >&2
  exit 1
}
git archive "$1" | tar -x -C "$folder"
ln -sfn "$PWD/node_modules" "$folder/node_modules"
(cd "$folder" && npm run --silent build -- --log-level=warning)

context=$folder/context
mkdir -p "$context"
install -m 644 "$folder/dist/weft.mjs" "$context"
# shellcheck disable=SC2016 # for the builder to expand
printf '%s\n' 'ARG BASE_IMAGE' 'FROM ${BASE_IMAGE}' 'COPY weft.mjs /opt/weft/weft.mjs' >"$context/Dockerfile"
if [[ -n ${WEFT_PREVIOUS_PROXY:-} ]]; then
  install -m 755 "$WEFT_PREVIOUS_PROXY" "$context/weft-proxy"
  echo 'COPY weft-proxy /usr/local/bin/weft-proxy' >>"$context/Dockerfile"
fi
base=oci-archive:$today
if use_docker; then
  base=$(docker load --quiet --input "$today" | sed -n 's/^Loaded image: //p')
fi
build_archive "$context" "$context/Dockerfile" docker.io/weft/weft:previous "$folder/weft.tar" --build-arg "BASE_IMAGE=$base"
