#!/usr/bin/env bash
# Installs from Debian what is not on the machine: debian.sh PROGRAM=PACKAGE... looks for each program on the PATH and
# installs the packages of those that are not there. Does nothing where all are.
set -euo pipefail

missing=()
for pair in "$@"; do
  command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
done
((${#missing[@]} > 0)) || exit 0

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
