# shellcheck shell=bash
# How each pinned Go module of e2e/tools becomes binaries. This file is part of their cache key.

# go_tool NAME FOLDER builds into the folder. "tool" stands for the packages that the module's
# go.mod names with its tool directive.
go_tool() {
  export CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false -mod=readonly'
  case $1 in
    kubectl) in_module "$KUBERNETES_MODULE" "$2/" k8s.io/kubernetes/cmd/kubectl ;;
    kubernetes)
      in_module "$KUBERNETES_MODULE" "$2/" k8s.io/kubernetes/cmd/kube{-apiserver,-controller-manager,-proxy,-scheduler,let}
      ;;
    kind) in_module kind "$2/" tool ;; # kind-config-check
    *) in_module "$1" "$2/$1" tool ;;
  esac
}

# The folder of e2e/tools that a tool is built from.
go_module() { # NAME
  if [[ $1 == kube* ]]; then echo "$KUBERNETES_MODULE"; else echo "$1"; fi
}

in_module() { # MODULE OUTPUT PACKAGE...
  (
    cd "$TOOLS_DIR/$1" || return
    go build -ldflags "$(linker_flags)" -o "${@:2}"
  )
}

# Kubernetes learns its version here; without it clients see v0.0.0. Harmless for the other tools.
linker_flags() {
  local version major minor package flags='-s -w'
  if version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes 2>/dev/null); then
    IFS=. read -r major minor _ <<<"${version#v}"
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
      flags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
      flags+=" -X $package.gitTreeState=clean"
    done
  fi
  echo "$flags"
}
