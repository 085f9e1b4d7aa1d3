# shellcheck shell=bash
# The Go release that the tools are built with. Debian 12 has one that is too old, which is enough to
# fetch the right one: it is served as a Go module too.

GO_VERSION=1.26.8

ensure_go() {
  local folder
  go_suffices && return
  folder=$(fetch_go) || die "could not fetch Go $GO_VERSION; install it by hand and put it on PATH"
  export PATH="$folder/bin:$PATH"
  go_suffices || die "$folder/bin/go does not run"
}

go_suffices() {
  local found
  found=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || return
  printf 'go%s\n%s\n' "$GO_VERSION" "$found" | sort --version-sort --check=silent
}

# A module's files are never executable.
fetch_go() {
  local folder
  folder=$(cd / && GOFLAGS='' GOTOOLCHAIN=local go mod download -json \
    "golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-$(go env GOARCH)" | jq --raw-output .Dir) || return
  [[ -d $folder ]] && chmod -R u+x "$folder/bin" "$folder/pkg/tool" && echo "$folder"
}
