# shellcheck shell=bash
# Where built things are kept: a folder for each tool, keyed by what it is made from, and a folder
# for the whole set, whose bin/ links to them. A change of one tool rebuilds that tool only.

# One line that changes when a file of the given folders or files does.
content_hash() { # PATH...
  find "$@" -type f -print0 | sort -z | xargs -0 cat | sha256sum | cut -c1-16
}

tool_folder() { # TOOL
  echo "$CACHE_DIR/tools/$1-$(content_hash "$TOOLS_DIR/$(go_module "$1")" "$CLUSTER_DIR/lib/go-tools.sh")"
}

# The tools of a set, a word each.
set_tools() { # SET
  echo kubectl helm
  [[ $1 == clients ]] || echo etcd coredns kind netprobe kubernetes
}

# Keyed by the modules of its own tools: another line of Kubernetes is another folder and touches none of this.
set_folder() { # SET
  local hash tool modules=()
  for tool in $(set_tools "$1"); do modules+=("$TOOLS_DIR/$(go_module "$tool")"); done
  hash=$(content_hash "${modules[@]}" "$CLUSTER_DIR/images" "$CLUSTER_DIR/lib/go-tools.sh" "$CLUSTER_DIR/build.sh")
  echo "$CACHE_DIR/$KUBERNETES_LINE-$1-$hash"
}

# publish DRAFT FOLDER puts a finished folder in its place, in one move.
publish() {
  chmod 755 "$1"
  rm -rf "$2"
  mv "$1" "$2"
}
