# shellcheck shell=bash
# Names, places and addresses of the test cluster. Sourced by every script of this folder.
# shellcheck disable=SC2034  # the readers are other files

CLUSTER_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO_DIR=$(cd "$CLUSTER_DIR/../.." && pwd)
TOOLS_DIR=$REPO_DIR/e2e/tools

CLUSTER_NAME=weft
# The network namespace, the cgroup and the Kubernetes node all carry this name.
NODE=weft-node
NODE_ZONE=zone-a

# Kept between boots: binaries, images, logs, and the kubeconfig of the running cluster.
CACHE_DIR=$HOME/.cache/weft/cluster
BIN_DIR=$CACHE_DIR/current/bin
IMAGE_DIR=$CACHE_DIR/current/images
LOG_DIR=$CACHE_DIR/logs
KUBECONFIG_FILE=$CACHE_DIR/kubeconfig
# Removed by down.sh. Short paths: the kernel allows a unix socket 107 bytes.
STATE_DIR=/var/lib/weft-cluster
RUN_DIR=/run/weft-cluster

# The veth pair between host and node. The API server listens on the node's end.
HOST_LINK=weft-host
HOST_IP4=172.31.255.1
HOST_IP6=fd00:10:255::1
NODE_IP4=172.31.255.2
NODE_IP6=fd00:10:255::2
LINK_PREFIX4=30
LINK_PREFIX6=64

# The ranges that kind uses, so that tests meet the same addresses on both kinds of cluster.
POD_CIDRS=10.244.0.0/16,fd00:10:244::/56
NODE_POD_CIDR4=10.244.0.0/24
NODE_POD_CIDR6=fd00:10:244::/64
SERVICE_CIDRS=10.96.0.0/16,fd00:10:96::/112
API_SERVICE_IP4=10.96.0.1
DNS_SERVICE_IP4=10.96.0.10
DNS_DOMAIN=cluster.local

PAUSE_IMAGE=weft.local/pause:1
COREDNS_IMAGE=weft.local/coredns:1
