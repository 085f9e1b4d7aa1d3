#!/usr/bin/env bash
# Installs from Debian what is not on the machine: debian.sh [PROGRAM=]PACKAGE... A package is there when its program is
# on the PATH, whoever put it there; one without a program, when dpkg has it. Does nothing where all are.
set -euo pipefail

installed() { # [PROGRAM=]PACKAGE
  if [[ $1 == *=* ]]; then
    command -v "${1%%=*}" >/dev/null
  else
    dpkg-query --show --showformat '${db:Status-Abbrev}\n' "$1" 2>/dev/null | grep --quiet '^ii'
  fi
}

missing=()
for package in "$@"; do
  installed "$package" || missing+=("${package#*=}")
done
((${#missing[@]} > 0)) || exit 0

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
