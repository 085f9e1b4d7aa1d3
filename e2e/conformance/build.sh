#!/usr/bin/env bash
# Builds what the conformance run takes, into ~/.cache/weft/conformance/LINE: the official suite as one program, the CRDs of
# its version, and the echo image that its manifests name. Each is left alone where it is made from the same files.
#
# usage: build.sh [all|crds]; "crds" is what tests that only write routes need, and takes no compiler's time
#        WEFT_GATEWAY_API=1.6 build.sh takes another line of the Gateway API than the default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../cluster/lib/progress.sh
source ../cluster/lib/progress.sh
# shellcheck source=../image/engine.sh
source ../image/engine.sh
# shellcheck source=line.sh
source line.sh

folder=$CONFORMANCE_CACHE
# A line may want a newer Go than the tools: the go command fetches the one that its go.mod names.
export CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly' GOTOOLCHAIN=auto
# The go command in the line's module.
line_go() { (cd "$GATEWAY_API_LINE" && ../../cluster/go.sh "$@"); }

# One channel in one file, without the admission policy that keeps channels from replacing each other.
make_crds() { # CHANNEL FILE
  local module file
  line_go mod download sigs.k8s.io/gateway-api
  module=$(line_go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)
  for file in "$module"/config/crd/"$1"/gateway*.yaml; do
    [[ $file != *_vap_* ]] || continue
    echo ---
    cat "$file"
  done >"$2"
}

make_suite() { # FOLDER
  line_go test -c -trimpath -ldflags='-s -w' -o "$1/suite" .
  line_go build -trimpath -o "$1/test2json" cmd/test2json
}

make_echo_image() { # ARCHIVE
  local context=$work/echo
  mkdir "$context"
  (
    cd echo
    ../../cluster/go.sh build -trimpath -ldflags='-s -w' -o "$context/" tool
  )
  # Ten years: the image is cached, and the suite does not look at the certificate.
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=echo \
    -keyout "$context/cert.key" -out "$context/cert.crt" 2>/dev/null
  chmod 644 "$context/cert.key" # the server is no root everywhere
  ../image/packages.sh
  build_archive "$context" echo/Dockerfile "$ECHO_IMAGE" "$1"
}

# cached NAME TITLE SOURCES... -- COMMAND...: runs the command unless it ran for these very sources.
cached() {
  local name=$1 title=$2 sources=() hash
  shift 2
  while [[ $1 != -- ]]; do
    sources+=("$1")
    shift
  done
  shift
  hash=$(content_hash "${sources[@]}" build.sh)
  if up_to_date "$folder/$name" "$hash"; then return; fi
  step "$title" "$@"
  echo "$hash" >"$folder/$name.hash"
}

what=${1:-all}
[[ $what == all || $what == crds ]] || die 'usage: build.sh [all|crds]'
mkdir -p "$folder"
exec 8>"$folder/build.lock"
flock 8
work=$(mktemp -d "$folder/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT

for channel in standard experimental; do
  cached "$channel.yaml" "Gateway API $GATEWAY_API_LINE CRDs, $channel" "$GATEWAY_API_LINE/go.mod" -- make_crds "$channel" "$folder/$channel.yaml"
done
if [[ $what == all ]]; then
  cached suite 'build the conformance suite' "$GATEWAY_API_LINE" -- make_suite "$folder"
  cached echo.tar 'build the echo image' echo "$GATEWAY_API_LINE/settings.sh" -- make_echo_image "$folder/echo.tar"
fi
