# shellcheck shell=bash
# Which line of the Gateway API is asked for: WEFT_GATEWAY_API=1.6, or the default. A line is a folder beside this file.
# shellcheck disable=SC2034  # the readers are the scripts that source this
GATEWAY_API_LINE=${WEFT_GATEWAY_API:-1.7}
CONFORMANCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CONFORMANCE_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/weft/conformance/$GATEWAY_API_LINE
[[ -f $CONFORMANCE_DIR/$GATEWAY_API_LINE/settings.sh ]] || {
  echo "WEFT_GATEWAY_API=$GATEWAY_API_LINE is not one of: $(cd "$CONFORMANCE_DIR" && echo [0-9]*)" >&2
  exit 1
}
# shellcheck source=1.7/settings.sh
source "$CONFORMANCE_DIR/$GATEWAY_API_LINE/settings.sh"
