#!/usr/bin/env bash
# Installs what building an image takes on a machine without Docker.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=engine.sh
source "$here/engine.sh"
use_docker || "$here/../cluster/packages.sh"
