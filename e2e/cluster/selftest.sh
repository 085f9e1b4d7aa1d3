#!/usr/bin/env bash
# Proves the cluster: down, up, pods with DNS and dual-stack Services, up again at once, down without
# leftovers, and the same once more. Takes down a cluster that runs, and leaves a fresh one running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=lib/load.sh
source lib/load.sh
# shellcheck source=lib/build-image.sh
source lib/build-image.sh
# shellcheck source=selftest/leftovers.sh
source selftest/leftovers.sh

met=0
total=0

# check TITLE COMMAND... ; what the command prints is shown when it fails.
check() {
  local title=$1 output
  shift
  total=$((total + 1))
  if output=$("$@" 2>&1); then
    met=$((met + 1))
    echo "  ok   $title"
  else
    echo "  FAIL $title"
    printf '%s\n' "$output" | sed 's/^/         /'
  fi
}

equal() { # ACTUAL EXPECTED
  [[ $1 == "$2" ]] || { printf 'expected: %s\nfound:    %s\n' "$2" "$1" && return 1; }
}

kube() { kubectl_admin --namespace selftest "$@"; }
field() { kube get "$1" "$2" -o "jsonpath=$3"; }
in_pod() { kube exec "$1" --container netprobe -- /netprobe "${@:2}"; }
from_node() { nsenter --net="/run/netns/$NODE" "$BIN_DIR/netprobe" "$@"; }

within() { # SECONDS COMMAND...
  local from=$EPOCHREALTIME
  "${@:2}"
  awk -v took="$(seconds_since "$from")" -v limit="$1" \
    'BEGIN { if (took > limit) { print "took " took " s, more than " limit " s"; exit 1 } }'
}

lookup_is() { # POD FAMILY NAME EXPECTED
  equal "$(in_pod "$1" lookup "$2" "$3")" "$4"
}

peer_is() { # EXPECTED COMMAND... ; the server tells who called
  equal "$("${@:2}")" "$1"
}

token_review_accepts() { # AUDIENCE
  local token review
  token=$(kube create token default --audience weft)
  review=$(printf '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"%s","audiences":["%s"]}}' \
    "$token" "$1" | kubectl_admin create --filename - -o 'jsonpath={.status.authenticated} {.status.audiences}')
  equal "$review" "true [\"$1\"]"
}

token_review_refuses() { # AUDIENCE
  ! token_review_accepts "$1" >/dev/null
}

load_probe_image() {
  local folder
  folder=$(mktemp -d "$CACHE_DIR/.context.XXXXXX")
  build_image netprobe weft.local/netprobe:1 "$BIN_DIR/netprobe" "$folder/image.tar"
  ./load-image.sh "$folder/image.tar"
  rm -rf "$folder"
}

run_workload() {
  kubectl_admin apply --filename selftest/workload.yaml
  kube wait --request-timeout 0 --for condition=Ready pod/server pod/client --timeout 30s
}

check_workload() {
  local server4 server6 service4 service6 client4 client6
  check 'an image is built and loaded' load_probe_image
  check 'pods with a native sidecar become ready' run_workload
  server4=$(field pod server '{.status.podIPs[0].ip}')
  server6=$(field pod server '{.status.podIPs[1].ip}')
  client4=$(field pod client '{.status.podIPs[0].ip}')
  client6=$(field pod client '{.status.podIPs[1].ip}')
  service4=$(field service server '{.spec.clusterIPs[0]}')
  service6=$(field service server '{.spec.clusterIPs[1]}')
  check 'DNS: A of the Service' lookup_is client ip4 server "$service4"
  check 'DNS: AAAA of the Service' lookup_is client ip6 server.selftest.svc.cluster.local "$service6"
  check 'DNS: an unknown name is refused at once' within 2 eval '! in_pod client lookup ip4 no-such.example'
  check 'IPv4: pod to pod' peer_is "$client4" in_pod client get "http://$server4:8080/"
  check 'IPv6: pod to pod' peer_is "$client6" in_pod client get "http://[$server6]:8080/"
  check 'IPv4: pod to Service, source kept' peer_is "$client4" in_pod client get "http://$service4/"
  check 'IPv6: pod to Service, source kept' peer_is "$client6" in_pod client get "http://[$service6]/"
  check 'IPv4: pod to itself through its Service' in_pod server get "http://$service4/"
  check 'IPv6: pod to itself through its Service' in_pod server get "http://[$service6]/"
  check 'IPv4: node to Service, as webhooks are called' from_node get "http://$service4/"
  check 'IPv6: node to Service' from_node get "http://[$service6]/"
  check 'pod to the API server' in_pod client dial kubernetes.default:443
  check 'logs' equal "$(kube logs server)" 'listening on :8080'
  check 'a token for audience weft is accepted' token_review_accepts weft
  check 'and refused for another audience' token_review_refuses https://kubernetes.default.svc.cluster.local
}

check_life() {
  local before
  before=$(machine_snapshot)
  check 'up, within 20 s' within 20 ./up.sh
  check_workload
  check 'a second up returns at once' within 2 ./up.sh
  check 'down, within 10 s' within 10 ./down.sh
  check 'down leaves nothing' equal "$(machine_snapshot)" "$before"
}

if use_kind; then die 'the self-test looks into a machine without Docker'; fi
./packages.sh
./build.sh
./down.sh
for life in first second; do
  echo "$life life"
  check_life
done
check 'a second down does nothing' ./down.sh
echo 'last boot, which stays'
check 'up' ./up.sh
echo "selftest: $met of $total met"
((met == total))
