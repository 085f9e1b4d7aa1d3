#!/usr/bin/env bash
# `make security`: who does not get in, each row played with real processes in network namespaces.
#   run.sh [--only TEXT]
# WEFT_PROXY names a built proxy; without it one is built. Rows about what the API server decides need the local cluster's programs.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [[ $EUID != 0 || $(uname) != Linux ]]; then
  echo "the rows make network namespaces: run them on Linux as root" >&2
  exit 1
fi

if [[ -z ${WEFT_PROXY:-} ]]; then
  WEFT_PROXY=$(proxy/build.sh)
fi

# The servers that rules are tried before; Go's is built.
e2e/suite/debian.sh nginx=nginx-light apache2-bin python3 javac=default-jdk-headless libtomcat10-java
files=$HOME/.cache/weft/image/files
mkdir -p "${files%/*}"
CGO_ENABLED=0 e2e/cluster/go.sh build -trimpath -ldflags='-s -w' -o "$files" e2e/security/servers/files.go

kubernetes=$HOME/.cache/weft/cluster/current/bin
[[ -x $kubernetes/kube-apiserver && -x $kubernetes/etcd ]] || kubernetes=

export WEFT_PROXY
# When something hangs all of it is killed: unshare takes no notice of less.
timeout --foreground --verbose --signal=KILL 30m e2e/netns/isolate.sh "$WEFT_PROXY" "$files" -- e2e/security/main.ts --proxy "/run/bin/${WEFT_PROXY##*/}" --files /run/bin/files --kubernetes "$kubernetes" "$@"
