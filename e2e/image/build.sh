#!/usr/bin/env bash
# Builds control plane and proxy into docker.io/weft/weft:dev, as an archive at ~/.cache/weft/image/weft.tar, and says
# what fills it. The archive is left alone where it is made from the same files.
#   WEFT_PROXY=FILE    take this proxy instead of building one
#   WEFT_BUNDLE=FILE   take this control plane instead of building one; its metafile (.meta.json) lies beside it
#   BASE_IMAGE=NAME    collect iptables from this image
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=engine.sh
source e2e/image/engine.sh

REFERENCE=docker.io/weft/weft:dev
LIMIT_MB=250
archive=$IMAGE_DIR/weft.tar

proxy_binary() {
  if [[ -n ${WEFT_PROXY:-} ]]; then
    echo "$WEFT_PROXY"
    return
  fi
  proxy/build.sh
}

bundle() {
  if [[ -n ${WEFT_BUNDLE:-} ]]; then
    echo "$WEFT_BUNDLE"
    return
  fi
  # Spelled out: a substitution does not end at the first failure, and an old bundle would go into the image.
  npm run --silent build -- --log-level=warning >&2 || return
  echo dist/weft.mjs
}

# Everything that goes into the image, in the places where the Dockerfile looks for it.
fill() { # FOLDER
  local proxy cni control_plane
  proxy=$(proxy_binary)
  cni=$(cni/build.sh)
  control_plane=$(bundle)
  mkdir -p "$1/$ARCH"
  install -m 755 node_modules/node-linux-${ARCH/amd64/x64}/bin/node "$1/$ARCH/node"
  install -m 755 "$proxy" "$1/$ARCH/weft-proxy"
  install -m 755 "$cni" "$1/$ARCH/weft-cni"
  install -m 644 "$control_plane" "$1/weft.mjs"
  e2e/suite/ts.sh e2e/supply/main.ts notice "$control_plane" "$ARCH" >"$1/NOTICE"
  install -m 644 e2e/image/{passwd,group,nsswitch.conf,collect.sh} Dockerfile "$1"
}

# Names the largest parts of the image, unpacked, and fails above the limit.
report() {
  local total
  total=$(awk '{ sum += $1 } END { printf "%.1f", sum / 1e6 }' "$archive.parts")
  echo "image $REFERENCE, $total MB unpacked:"
  awk '{ printf "  %7.1f MB  %s\n", $1 / 1e6, substr($0, index($0, $2)) }' "$archive.parts"
  awk -v total="$total" -v limit="$LIMIT_MB" 'BEGIN { exit total >= limit }' || {
    echo "image: the limit is $LIMIT_MB MB" >&2
    return 1
  }
}

# Sorts the files of the image's layers into parts: bytes, then what they are.
measure() { # FOLDER to unpack in
  local layer
  tar -xf "$archive" -C "$1"
  # Layers are the only archives among the blobs of either format.
  find "$1" -type f | while read -r layer; do
    tar -tvf "$layer" 2>/dev/null || true
  done | awk '
    function part(path) {
      if (path ~ /bin\/node$/) return "node"
      if (path ~ /bin\/weft-proxy$/) return "weft-proxy"
      if (path ~ /bin\/weft-cni$/) return "weft-cni"
      if (path ~ /weft\.mjs$/) return "control plane and CLI (weft.mjs)"
      if (path ~ /xtables/) return "iptables and its plugins"
      if (path ~ /\.so/) return "libraries"
      return "the rest"
    }
    /^-/ { bytes[part($6)] += $3 }
    END { for (name in bytes) print bytes[name], name }' | sort -rn >"$archive.parts"
}

make_image() {
  local base
  e2e/image/packages.sh
  base=$(e2e/image/base.sh)
  build_archive "$work/context" "$work/context/Dockerfile" "$REFERENCE" "$archive" --build-arg "BASE_IMAGE=$base"
  mkdir "$work/unpacked"
  measure "$work/unpacked"
  echo "$hash" >"$archive.hash"
}

mkdir -p "$IMAGE_DIR"
work=$(mktemp -d "$IMAGE_DIR/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
fill "$work/context"
# Only now, because a compiler may wait for another one for long.
exec 8>"$IMAGE_DIR/build.lock"
flock 8
hash=$(cd "$work" && content_hash context)-$(content_hash e2e/image/base.sh e2e/image/engine.sh | cut -c1-8)
hash+=${BASE_IMAGE:+-$BASE_IMAGE}
up_to_date "$archive" "$hash" || make_image
report
