#!/usr/bin/env bash
# Renders the charts with their default values into this folder, for clusters that are not kept with Helm:
#   kubectl apply --server-side --filename deploy/namespace.yaml,deploy/crds.yaml,deploy/weft.yaml
# cni.yaml is the CNI plugin, for those who set cni.enabled (docs/cni.md).
# production.yaml takes the place of weft.yaml with charts/weft/values-production.yaml.
# What the Prometheus operator and Grafana's sidecar take goes into deploy/monitoring.yaml.
# render.sh --check fails, and shows the difference, where a file is not what the charts make.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The oldest Kubernetes that the charts are made for; nothing in them depends on it.
KUBE_VERSION=1.34.0
# Every cluster has them; Helm's own list does not.
POLICIES=admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy

helm() {
  local pinned=${XDG_CACHE_HOME:-$HOME/.cache}/weft/cluster/current/bin/helm
  if [[ -x $pinned ]]; then "$pinned" "$@"; else command helm "$@"; fi
}

render() { # CHART FILE OPTION...; hooks are Helm's own business
  {
    echo "# Rendered from charts/$1 by deploy/render.sh. Change the chart and run it again."
    helm template "$1" "charts/$1" --namespace weft-system --kube-version "$KUBE_VERSION" --api-versions "$POLICIES" --no-hooks --skip-tests "${@:3}"
  } >"$2"
}

# The templates of the chart that are rendered only where somebody asks for them.
MONITORING=(--set "alerts.enabled=true,monitors.enabled=true,dashboards.enabled=true")
for template in monitors prometheus-rule dashboards; do MONITORING+=(--show-only "templates/$template.yaml"); done

if [[ ${1:-} == --check ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
else
  folder=deploy
fi
render weft-crds "$folder/crds.yaml"
render weft "$folder/weft.yaml"
render weft-cni "$folder/cni.yaml" --namespace kube-system
render weft "$folder/production.yaml" --values charts/weft/values-production.yaml
render weft "$folder/monitoring.yaml" "${MONITORING[@]}"
if [[ $folder != deploy ]]; then
  for file in crds weft cni production monitoring; do
    diff --unified "deploy/$file.yaml" "$folder/$file.yaml" || {
      echo "deploy/$file.yaml is not current: run deploy/render.sh" >&2
      exit 1
    }
  done
fi
