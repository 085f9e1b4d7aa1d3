#!/usr/bin/env bash
# Builds the binaries and the two images of the cluster from the pinned Go modules in e2e/tools, into
# CACHE_DIR/<hash>/{bin,images}; CACHE_DIR/current links there. Does nothing where they are built.
# The first build takes minutes, nearly all of them for Kubernetes.
#
# usage: build.sh [all|clients]; "clients" is kubectl and helm only, for a cluster that kind makes and for rendering
# charts. Where all is built, that serves as clients too, so that a running cluster keeps its link.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=lib/settings.sh
source lib/settings.sh
# shellcheck source=lib/progress.sh
source lib/progress.sh
# shellcheck source=lib/kubernetes.sh
source lib/kubernetes.sh
# shellcheck source=lib/go-toolchain.sh
source lib/go-toolchain.sh
# shellcheck source=lib/go-tools.sh
source lib/go-tools.sh
# shellcheck source=lib/build-cache.sh
source lib/build-cache.sh
# shellcheck source=lib/build-image.sh
source lib/build-image.sh

build_tool() { # TOOL FOLDER
  local draft
  draft=$(mktemp -d "$CACHE_DIR/tools/.draft.XXXXXX")
  go_tool "$1" "$draft"
  publish "$draft" "$2"
}

build_images() { # FOLDER
  mkdir "$1/images"
  gcc -static -Os -s -Wall -Wextra -Werror -o "$1/pause" images/pause/pause.c
  build_image pause "$PAUSE_IMAGE" "$1/pause" "$1/images/pause.tar"
  build_image coredns "$COREDNS_IMAGE" "$1/bin/coredns" "$1/images/coredns.tar"
}

build_set() { # SET FOLDER
  local draft tool folder
  mkdir -p "$CACHE_DIR/tools"
  draft=$(mktemp -d "$CACHE_DIR/.draft.XXXXXX")
  mkdir "$draft/bin"
  for tool in $(set_tools "$1"); do
    folder=$(tool_folder "$tool")
    [[ -d $folder ]] || step "build $tool" build_tool "$tool" "$folder"
    ln -s "$folder"/* "$draft/bin/"
  done
  [[ $1 == clients ]] || step 'build images' build_images "$draft"
  publish "$draft" "$2"
}

set=${1:-all}
[[ $set == all || $set == clients ]] || die "usage: build.sh [all|clients]"
kubernetes_known
mkdir -p "$CACHE_DIR"
exec 8>"$CACHE_DIR/build.lock"
flock 8
target=$(set_folder all)
[[ -d $target ]] || target=$(set_folder "$set")
if [[ ! -d $target ]]; then
  ensure_go
  build_set "$set" "$target"
fi
ln -sfn "$target" "$CACHE_DIR/current"
