# shellcheck shell=bash
# Building images with Docker where its engine runs, and with buildah where not. To be sourced.

IMAGE_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/weft/image

# Debian's name for the machine is the image's too: amd64, arm64.
ARCH=${WEFT_ARCH:-$(dpkg --print-architecture 2>/dev/null || uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')}

use_docker() {
  command -v docker >/dev/null && docker info >/dev/null 2>&1
}

# The vfs driver works where overlays are not allowed. A storage of its own, so that nobody's images are touched.
BUILDAH=(buildah --storage-driver vfs --root "$IMAGE_DIR/storage" --runroot "$IMAGE_DIR/storage-run")

# build_archive CONTEXT DOCKERFILE REFERENCE ARCHIVE [BUILD OPTIONS...]: the archive carries name and platform.
build_archive() {
  local context=$1 dockerfile=$2 reference=$3 archive=$4 id
  shift 4
  if use_docker; then
    docker build --quiet --platform "linux/$ARCH" --build-arg "TARGETARCH=$ARCH" \
      --tag "$reference" --file "$dockerfile" "$@" "$context" >/dev/null
    docker save --output "$archive.new" "$reference"
  else
    id=$("${BUILDAH[@]}" bud --isolation chroot --quiet --layers=false --timestamp 0 --platform "linux/$ARCH" \
      --file "$dockerfile" "$@" "$context")
    rm -f "$archive.new"
    "${BUILDAH[@]}" push --quiet "$id" "oci-archive:$archive.new:$reference"
    "${BUILDAH[@]}" rmi --force "$id" >/dev/null
  fi
  mv "$archive.new" "$archive"
}

# content_hash PATH...: one line that changes when a file, its name or its mode does.
content_hash() {
  find "$@" -type f -printf '%p %m\n' -exec sha256sum {} + | sort | sha256sum | cut -c1-32
}

# up_to_date ARCHIVE HASH
up_to_date() {
  [[ -f $1 && -f $1.hash && $(<"$1.hash") == "$2" ]]
}

# context_archive NAME REFERENCE CONTEXT: builds the Dockerfile of a folder into IMAGE_DIR/NAME.tar, unless that is made from the same files.
context_archive() {
  local archive=$IMAGE_DIR/$1.tar hash
  hash=$(cd "$3" && content_hash .)-$(content_hash "${BASH_SOURCE[0]}" | cut -c1-8)
  up_to_date "$archive" "$hash" && return
  "${BASH_SOURCE[0]%/*}/packages.sh"
  build_archive "$3" "$3/Dockerfile" "$2" "$archive"
  echo "$hash" >"$archive.hash"
}
