# shellcheck shell=bash
# What the machine looks like, in lines that can be compared: taken before and after a life of the
# cluster, the two must be the same.

machine_snapshot() {
  echo '# network namespaces'
  ip netns list | awk '{ print $1 }' | grep --fixed-strings --line-regexp "$NODE" || true
  echo '# links, addresses and routes of the host'
  ip -brief link show | awk '{ print $1 }' | grep --extended-regexp "^($HOST_LINK|cni|veth)" || true
  ip route show | grep --fixed-strings "${HOST_IP4%.*}." || true
  ip -6 route show | grep fd00:10: || true
  echo '# packet filters of the host'
  iptables-save 2>/dev/null | grep KUBE || true
  ip6tables-save 2>/dev/null | grep KUBE || true
  echo '# mounts'
  awk '{ print $5 }' /proc/self/mountinfo | grep --extended-regexp "weft-|kubelet|containerd" || true
  echo '# cgroups'
  find /sys/fs/cgroup -type d -name "$NODE*"
  echo '# processes'
  ps -eo stat=,comm= | awk '$1 !~ /^Z/ { print $2 }' |
    grep --extended-regexp '^(kube|etcd|containerd|coredns|pause|netprobe)' || true
  echo '# folders'
  find "$STATE_DIR" "$RUN_DIR" "${MACHINE_PATHS[@]}" -maxdepth 0 2>/dev/null || true
  echo '# settings'
  cat "$INOTIFY"
}
