#!/usr/bin/env bash
# Builds the proxy as it ships, optimised for what it was seen to do (proxy/trained), and prints the path of the program.
#   build.sh             what ships
#   build.sh --symbols   the same with the names of its functions, for profilers
#   build.sh --counting  one that counts what it does, see train.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/weft/target}

packed=proxy/trained/weft-proxy.profdata.gz
# Named for its content, because cargo looks at the flags and not into the file. No path of the checkout is among them,
# so that checkouts share what they built.
profile=$HOME/.cache/weft/profiles/$(sha256sum "$packed" | cut -c1-16).profdata
if [[ ! -e $profile ]]; then
  mkdir -p "${profile%/*}"
  gzip -dc "$packed" >"$profile.$$"
  mv "$profile.$$" "$profile"
fi

# A profile finds functions by their full names, in which cargo hides a hash of target, settings and dependencies. So whoever
# counts and whoever uses what was counted differ in nothing but these flags, of which the names know nothing.
# Which functions lie side by side is for order.ld to say, so their sections keep plain names. Code that changed after
# training is optimised without a profile, which is no reason for a warning.
use="-Cprofile-use=$profile -Cllvm-args=-profile-guided-section-prefix=false -Cllvm-args=-no-pgo-warn-mismatch"
case ${1:-} in
'') flags=$use ;;
--symbols) flags="$use -Cstrip=none" ;;
# Programs that run during the build count too, and leave it there.
--counting) flags=-Cprofile-generate=$CARGO_TARGET_DIR/counted ;;
*)
  echo "build.sh: unknown option $1" >&2
  exit 2
  ;;
esac

RUSTFLAGS="${RUSTFLAGS:-} $flags" cargo build --quiet --locked --release -p weft-proxy >&2
echo "$CARGO_TARGET_DIR/release/weft-proxy"
