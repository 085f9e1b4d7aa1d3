#!/usr/bin/env bash
# Guess: root of a user namespace that owns its network namespace may program any iptables rule there, so the rules of a pod
#   with `hostUsers: false` are those of any other pod.
# Seen (Linux 6.18, iptables 1.8.9 over nf_tables): `-m owner --uid-owner 2112` is refused with "Invalid argument" where the user
#   namespace does not map that id, as in one of `unshare --map-root-user`; where it maps 65,536 ids, as the kubelet does, it is taken.
# So: a proxy that is told apart by its uid needs one below 65536, or such pods have no rules; and a sandbox of one id proves nothing.
# Run it as root.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/mapped.py" <<'PY'
# mapped.py COUNT COMMAND...: runs a command as root of a new user and network namespace that maps this many ids.
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
ready, mapped = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    if libc.unshare(0x10000000 | 0x40000000) != 0:  # CLONE_NEWUSER, CLONE_NEWNET
        sys.exit(os.strerror(ctypes.get_errno()))
    os.write(ready[1], b'.')
    os.read(mapped[0], 1)
    os.setgid(0)
    os.setuid(0)
    os.execvp(sys.argv[2], sys.argv[2:])
os.read(ready[0], 1)
for kind in ('uid', 'gid'):
    with open(f'/proc/{child}/{kind}_map', 'w') as file:
        file.write(f'0 100000 {sys.argv[1]}\n')
os.write(mapped[1], b'.')
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
PY
for ids in 1 65536; do
  for owner in 0 2112; do
    if python3 "$work/mapped.py" "$ids" iptables -t nat -A OUTPUT -m owner --uid-owner "$owner" -j RETURN 2>/dev/null; then
      echo "$ids ids are mapped, owner $owner: taken"
    else
      echo "$ids ids are mapped, owner $owner: refused"
    fi
  done
done | tee "$work/seen"
diff - "$work/seen" <<'SEEN'
1 ids are mapped, owner 0: taken
1 ids are mapped, owner 2112: refused
65536 ids are mapped, owner 0: taken
65536 ids are mapped, owner 2112: taken
SEEN
echo 'as described above'
