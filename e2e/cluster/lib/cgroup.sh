# shellcheck shell=bash
# One cgroup a node, /NODE, with the daemons in /NODE/daemons and the pods in /NODE/kubepods: whatever
# a daemon or a pod forks is found there, however it detached itself.

# Every hierarchy: one a controller with cgroup v1, the only one with v2 (v2 was not run here).
cgroup_hierarchies() {
  if [[ -f /sys/fs/cgroup/cgroup.procs ]]; then
    echo /sys/fs/cgroup
    return
  fi
  find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d -exec test -f '{}/cgroup.procs' ';' -print
}

# The hierarchy that keeps track of processes.
cgroup_tracker() {
  if [[ -f /sys/fs/cgroup/cgroup.procs ]]; then echo /sys/fs/cgroup; else echo /sys/fs/cgroup/pids; fi
}

cgroup_create() { # NODE
  local hierarchy
  for hierarchy in $(cgroup_hierarchies); do
    mkdir -p "$hierarchy/$1/daemons"
    [[ ! -f $hierarchy/cgroup.subtree_control ]] || cgroup_delegate "$hierarchy" "$1"
  done
}

cgroup_delegate() { # HIERARCHY NODE; cgroup v2 hands controllers down one level at a time
  local controller controllers
  read -ra controllers <"$1/cgroup.controllers" || true
  for controller in ${controllers[@]+"${controllers[@]}"}; do
    echo "+$controller" >"$1/cgroup.subtree_control"
    echo "+$controller" >"$1/$2/cgroup.subtree_control"
  done
}

cgroup_enter() { # NODE; moves the calling process
  echo "$BASHPID" >"$(cgroup_tracker)/$1/daemons/cgroup.procs"
}

cgroup_pids() { # NODE
  local folder
  folder=$(cgroup_tracker)/$1
  # Folders come and go while this looks.
  [[ ! -d $folder ]] || find "$folder" -name cgroup.procs -exec cat '{}' + 2>/dev/null || true
}

cgroup_kill() { # NODE
  local deadline=$((SECONDS + 15)) pids
  while pids=$(cgroup_pids "$1") && [[ -n $pids ]]; do
    ((SECONDS < deadline)) || die "processes of $1 do not end: ${pids//$'\n'/ }"
    # shellcheck disable=SC2086  # one word a pid
    kill -KILL $pids 2>/dev/null || true
    sleep 0.05
  done
}

cgroup_remove() { # NODE
  local hierarchy
  for hierarchy in $(cgroup_hierarchies); do
    wait_for 10 "the removal of $hierarchy/$1" cgroup_remove_from "$hierarchy/$1"
  done
}

# The kernel may find a cgroup busy for a moment after its last process has ended.
cgroup_remove_from() { # FOLDER
  [[ ! -d $1 ]] || find "$1" -depth -type d -exec rmdir '{}' +
}
