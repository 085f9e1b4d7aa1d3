#!/usr/bin/env bash
# Builds the proxy as it ships, optimised for what it was seen to do (proxy/trained), and prints the path of the program.
#   build.sh             what ships
#   build.sh --symbols   the same with the names of its functions, for profilers
#   build.sh --counting  one that counts what it does, see train.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/weft/target}
target=$CARGO_TARGET_DIR
build=(cargo build --quiet --locked --release -p weft-proxy)

case ${1:-} in
--counting)
  # Only what is built for the target counts, not the programs that run during the build.
  host=$(rustc -vV | sed -n 's/^host: //p')
  flags=-Cprofile-generate
  build+=(--target "$host")
  target+=/$host
  ;;
'' | --symbols)
  [[ ${1:-} != --symbols ]] || export CARGO_PROFILE_RELEASE_STRIP=none
  packed=proxy/trained/weft-proxy.profdata.gz
  # Named for its content, because cargo looks at the flags and not into the file. No path of the checkout is among
  # them, so that checkouts share what they built.
  profile=$HOME/.cache/weft/profiles/$(sha256sum "$packed" | cut -c1-16).profdata
  if [[ ! -e $profile ]]; then
    mkdir -p "${profile%/*}"
    gzip -dc "$packed" >"$profile.$$"
    mv "$profile.$$" "$profile"
  fi
  # Which functions lie side by side is for order.ld to say, so their sections keep plain names. Code that changed after
  # training is optimised without a profile, which is no reason for a warning.
  # What is hot is inlined up to a tenth of the size that LLVM would go to: less code serves a request, and faster.
  flags="-Cprofile-use=$profile"
  for argument in -hot-callsite-threshold=300 -profile-guided-section-prefix=false -no-pgo-warn-mismatch; do
    flags+=" -Cllvm-args=$argument"
  done
  ;;
*)
  echo "build.sh: unknown option $1" >&2
  exit 2
  ;;
esac

RUSTFLAGS="${RUSTFLAGS:-} $flags" "${build[@]}" >&2
echo "$target/release/weft-proxy"
