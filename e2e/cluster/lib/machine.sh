# shellcheck shell=bash
# What booting changes on the machine outside of STATE_DIR and RUN_DIR, and how it is put back.

INOTIFY=/proc/sys/fs/inotify/max_user_instances

# Paths that kubelet, the CNI library and the containerd shims write to, whatever they are told.
MACHINE_PATHS=(/var/lib/kubelet /var/log/containers /var/lib/cni /run/containerd)

# Notes which of the paths are ours to remove: those that nobody had before.
machine_claim() {
  local path
  for path in "${MACHINE_PATHS[@]}"; do
    [[ -e $path ]] || echo "$path"
  done >"$STATE_DIR/claimed"
  # Each daemon and each container takes a few; the usual 128 are soon gone.
  if (($(<"$INOTIFY") < 1024)); then
    cp "$INOTIFY" "$STATE_DIR/inotify"
    echo 1024 >"$INOTIFY"
  fi
}

machine_restore() {
  local path
  if [[ -f $STATE_DIR/inotify ]]; then
    cat "$STATE_DIR/inotify" >"$INOTIFY"
  fi
  unmount_below "$STATE_DIR"
  unmount_below "$RUN_DIR"
  if [[ -f $STATE_DIR/claimed ]]; then
    while read -r path; do
      unmount_below "$path"
      rm -rf --one-file-system "$path"
    done <"$STATE_DIR/claimed"
  fi
  rm -rf --one-file-system "$STATE_DIR" "$RUN_DIR"
}

mounts_below() { # FOLDER; the deepest first
  awk -v folder="$1/" 'index($5 "/", folder) == 1 { print $5 }' /proc/self/mountinfo | sort -r
}

unmount_below() { # FOLDER
  local point
  for point in $(mounts_below "$1"); do
    umount "$point" 2>/dev/null || umount --lazy "$point"
  done
}
