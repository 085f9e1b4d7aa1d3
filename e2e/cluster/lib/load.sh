# shellcheck shell=bash
# Sources all parts, in the order in which they need each other.
lib=$(dirname "${BASH_SOURCE[0]}")
for part in settings progress kubernetes cgroup daemon machine network pki control-plane node addons kind cluster; do
  # shellcheck source=/dev/null
  source "$lib/$part.sh"
done
unset lib part
