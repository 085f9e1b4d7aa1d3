#!/usr/bin/env bash
# scratch.sh NAME BINARY: puts one program with the libraries it names, if any, and nothing else into
# docker.io/weft/NAME:dev and that into ~/.cache/weft/image/NAME.tar. Does nothing where the archive is made from that very program.
set -euo pipefail
name=${1:?usage: scratch.sh NAME BINARY} binary=${2:?usage: scratch.sh NAME BINARY}
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=engine.sh
source "$here/engine.sh"

archive=$IMAGE_DIR/$name.tar
mkdir -p "$IMAGE_DIR"
exec 8>"$IMAGE_DIR/build.lock"
flock 8
hash=$(content_hash "$binary" "$here/scratch.sh")
if up_to_date "$archive" "$hash"; then
  exit 0
fi
"$here/packages.sh"
context=$(mktemp -d "$IMAGE_DIR/.context.XXXXXX")
trap 'rm -rf "$context"' EXIT
install -D -m 755 "$binary" "$context/root/$name"
# A static program has none: ldd fails on it, and there is nothing to find.
libraries=$(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*' || true)
for library in $libraries; do
  install -D -m 755 "$library" "$context/root$library"
done
cat >"$context/Dockerfile" <<END
FROM scratch
COPY root /
USER 65532:65532
ENTRYPOINT ["/$name"]
END
build_archive "$context" "$context/Dockerfile" "docker.io/weft/$name:dev" "$archive"
echo "$hash" >"$archive.hash"
