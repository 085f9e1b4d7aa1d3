#!/usr/bin/env bash
# Runs a TypeScript program in network, mount and process namespaces of its own, so that when it ends, however it ends,
# nothing is left: isolate.sh PROGRAM... -- FILE [ARGS...]
# Each PROGRAM is copied to /run/bin: proxies run as a user who may not look into root's home.
set -euo pipefail
cd "$(dirname "$0")/../.."

programs=()
while [[ $1 != -- ]]; do
  programs+=("$1")
  shift
done
shift
e2e/netns/packages.sh

# It takes this shell's place, so that who kills this process kills all of it.
# shellcheck disable=SC2016 # the inner shell expands it
exec unshare --net --mount --pid --fork --kill-child --mount-proc bash -euc '
  mount -t tmpfs tmpfs /run
  mkdir /run/weft /run/netns /run/bin
  count=$1
  shift
  install -m 755 "${@:1:count}" /run/bin/
  e2e/suite/ts.sh "${@:count + 1}"' isolate "${#programs[@]}" "${programs[@]}" "$@"
