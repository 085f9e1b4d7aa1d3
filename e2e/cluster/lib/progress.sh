# shellcheck shell=bash
# What a person sees while a script works, and waiting with a deadline.

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

seconds_since() { # START, as $EPOCHREALTIME gave it
  awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'
}

# step TITLE COMMAND... runs the command and prints how long it took.
step() {
  local title=$1 from=$EPOCHREALTIME
  shift
  "$@"
  printf '  %-42s %6s s\n' "$title" "$(seconds_since "$from")"
}

# wait_for SECONDS WHAT COMMAND... polls the command until it succeeds.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || die "gave up waiting for $what; the logs are in $LOG_DIR"
    sleep 0.1
  done
}

# hold_lock waits for the one lock that changes of the cluster take; file descriptor 9 holds it
# until the script ends.
hold_lock() {
  mkdir -p "$CACHE_DIR"
  exec 9>"$CACHE_DIR/lock"
  flock --wait 1800 9 || die "another run holds $CACHE_DIR/lock for half an hour"
}
