# shellcheck shell=bash
# Long-running processes of a node: started in its network namespace, known by pid and start time.

# start_daemon NODE NAME COMMAND... ; its output goes to LOG_DIR/NAME.log.
# nsenter and not "ip netns exec": that one mounts a new /sys, without the cgroups. It keeps no descriptor of the caller's:
# a lock that whoever boots the cluster holds would be held for as long as the cluster runs.
start_daemon() {
  local node=$1 name=$2
  shift 2
  mkdir -p "$RUN_DIR/$node/pids"
  (
    cgroup_enter "$node"
    close_descriptors
    exec setsid nsenter --net="/run/netns/$node" -- "$@" </dev/null >"$LOG_DIR/$name.log" 2>&1
  ) &
  echo "$! $(start_time $!)" >"$RUN_DIR/$node/pids/$name"
}

# All but the three standard ones.
close_descriptors() {
  local descriptor
  for descriptor in "/proc/$BASHPID/fd"/*; do
    descriptor=${descriptor##*/}
    ((descriptor <= 2)) || eval "exec $descriptor>&-"
  done
}

# In clock ticks since boot; a pid that was given to another process has another one. Nothing for a
# process that has ended, whether or not its parent has taken notice.
start_time() { # PID
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # The name, second field, may hold spaces; the fields after it start at number 3.
  awk '$1 != "Z" { print $20 }' <<<"${stat##*) }"
}

daemon_alive() { # NODE NAME
  local pid started
  read -r pid started 2>/dev/null <"$RUN_DIR/$1/pids/$2" || return 1
  [[ -n $started && $(start_time "$pid") == "$started" ]]
}

all_daemons_alive() { # NODE NAME...
  local node=$1 name
  shift
  for name in "$@"; do daemon_alive "$node" "$name" || return 1; done
}

# wait_for_daemon NODE NAME SECONDS COMMAND... ; like wait_for, but notices that the daemon died.
wait_for_daemon() {
  local node=$1 name=$2 deadline=$((SECONDS + $3))
  shift 3
  until "$@" >/dev/null 2>&1; do
    daemon_alive "$node" "$name" || die "$name ended; the last lines of $LOG_DIR/$name.log:
$(tail -n 15 "$LOG_DIR/$name.log")"
    ((SECONDS < deadline)) || die "$name is not ready; see $LOG_DIR/$name.log"
    sleep 0.1
  done
}
