# shellcheck shell=bash
# The node's network namespace and its veth to the host. Rules, bridge and addresses of the cluster
# live in there; the host keeps one link and no route but the link's own.

network_up() { # NODE
  local node=$1
  ip netns add "$node"
  ip link add "$HOST_LINK" type veth peer name eth0 netns "$node"
  # nodad: an address under duplicate detection cannot be bound to for a second.
  ip addr add "$HOST_IP4/$LINK_PREFIX4" dev "$HOST_LINK"
  ip -6 addr add "$HOST_IP6/$LINK_PREFIX6" dev "$HOST_LINK" nodad
  ip link set "$HOST_LINK" up
  ip -n "$node" link set lo up
  ip -n "$node" addr add "$NODE_IP4/$LINK_PREFIX4" dev eth0
  ip -n "$node" -6 addr add "$NODE_IP6/$LINK_PREFIX6" dev eth0 nodad
  ip -n "$node" link set eth0 up
  # A packet to a Service address needs a route before kube-proxy's rules see it.
  ip -n "$node" route add default via "$HOST_IP4"
  ip -n "$node" -6 route add default via "$HOST_IP6"
  ip netns exec "$node" sysctl --quiet \
    net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
  bridge_netfilter "$node"
}

# Without it a reply between two pods of one bridge would not be translated back.
bridge_netfilter() { # NODE
  [[ -d /proc/sys/net/bridge ]] || modprobe br_netfilter ||
    die "the kernel has no br_netfilter: Services between pods cannot work"
  ip netns exec "$1" sysctl --quiet \
    net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
}

network_down() { # NODE
  ip link delete "$HOST_LINK" 2>/dev/null || true
  [[ ! -e /run/netns/$1 ]] || ip netns delete "$1"
}

# write_cni_config NODE FOLDER. hairpinMode: a pod may call itself through its own Service.
write_cni_config() {
  mkdir -p "$2"
  cat >"$2/10-$1.conflist" <<JSON
{
  "cniVersion": "1.0.0",
  "name": "$1",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "hairpinMode": true,
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": "$RUN_DIR/$1/addresses",
        "ranges": [[{"subnet": "$NODE_POD_CIDR4"}], [{"subnet": "$NODE_POD_CIDR6"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
JSON
}
