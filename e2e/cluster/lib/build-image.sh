# shellcheck shell=bash
# Images of one static binary, built without Docker.

# build_image NAME REFERENCE BINARY ARCHIVE writes an OCI archive from images/NAME/Dockerfile.
build_image() {
  local context id
  context=$(mktemp -d "$CACHE_DIR/.context.XXXXXX")
  cp "$3" "$context/$1"
  id=$(buildah --storage-driver vfs bud --isolation chroot --quiet --timestamp 0 \
    --file "$CLUSTER_DIR/images/$1/Dockerfile" "$context")
  buildah --storage-driver vfs push --quiet "$id" "oci-archive:$4:$2"
  buildah --storage-driver vfs rmi --force "$id" >/dev/null
  rm -rf "$context"
}
