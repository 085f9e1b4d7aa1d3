#!/usr/bin/env bash
# The test application as what a delivery tool releases, a version an image: ~/.cache/weft/image/reviews-VERSION.tar, registry.example/reviews:VERSION,
# of 1.0, 2.0, and 2.1, which answers half of its requests with 500.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../image/engine.sh
source ../image/engine.sh

# release VERSION ARGUMENTS...
release() {
  local version=$1 arguments
  shift
  arguments=$(printf ', "%s"' --version "$version" "$@")
  cat >"$context/Dockerfile" <<END
FROM scratch
COPY testapp /
USER 65532:65532
ENTRYPOINT ["/testapp", "serve", "--name", "reviews"$arguments]
END
  context_archive "reviews-$version" "registry.example/reviews:$version" "$context"
}

./build.sh
exec 8>"$IMAGE_DIR/build.lock"
flock 8
context=$(mktemp -d "$IMAGE_DIR/.context.XXXXXX")
trap 'rm -rf "$context"' EXIT
install -m 755 "$IMAGE_DIR/testapp" "$context"
release 1.0
release 2.0
release 2.1 --fail 2
