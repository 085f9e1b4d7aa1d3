#!/usr/bin/env bash
# Prints the name of the image that the build collects iptables from. With Docker that is Debian's own; without an image
# registry it is made here from Debian's packages, once a month at most, and kept.
set -euo pipefail
# shellcheck source=engine.sh
source "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

if [[ -n ${BASE_IMAGE:-} ]]; then
  echo "$BASE_IMAGE"
  exit 0
fi
if use_docker; then
  echo debian:bookworm-slim
  exit 0
fi

base="localhost/weft-base:$ARCH-$(date +%Y%m)-$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-8)"
if ! "${BUILDAH[@]}" inspect --type image "$base" >/dev/null 2>&1; then
  echo "making a Debian base with iptables" >&2
  draft=$(mktemp -d "$IMAGE_DIR/.base.XXXXXX")
  trap 'rm -rf "$draft"' EXIT
  mmdebstrap --quiet --variant=essential --include=iptables,libstdc++6 --architectures="$ARCH" \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$draft/root.tar" >&2
  printf 'FROM scratch\nADD root.tar /\nCMD ["/bin/sh"]\n' >"$draft/Dockerfile"
  "${BUILDAH[@]}" images --quiet --filter reference=localhost/weft-base | xargs --no-run-if-empty -n 1 \
    "${BUILDAH[@]}" rmi --force >&2
  "${BUILDAH[@]}" bud --isolation chroot --quiet --layers=false --platform "linux/$ARCH" --tag "$base" "$draft" >/dev/null
fi
echo "$base"
