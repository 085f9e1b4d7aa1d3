#!/bin/sh
# Runs inside of the build: collect.sh ROOT gathers under ROOT the two flavours of iptables, their plugins, and every
# library that these and the programs already there need, by asking the dynamic linker.
set -eu
root=$1

doc=$root/usr/share/doc

copy() { # FILE: under the name by which it is looked for, and without its links
  [ -e "$root$1" ] && return
  mkdir -p "$root${1%/*}"
  cp -L "$1" "$root$1"
  credit "$1"
}

# Writes down whose a file is, and takes the copyright of that package along.
credit() { # FILE
  real=$(readlink -f "$1")
  # Debian knows some files by their names from before /lib became a link into /usr.
  owner=$(dpkg -S "$real" 2>/dev/null || dpkg -S "${real#/usr}")
  package=${owner%%:*}
  printf '%s\t%s\t%s\n' "$1" "$package" "$(dpkg-query -W -f '${Version}' "$package")" >>"$doc/weft/debian-files"
  [ -e "$doc/$package" ] && return
  mkdir -p "$doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$doc/$package/"
}

link() { # TARGET NAME
  ln -sf "$1" "$root/usr/sbin/$2"
}

mkdir -p "$doc/weft"
for multi in xtables-nft-multi xtables-legacy-multi; do
  copy "/usr/sbin/$multi"
  flavour=${multi#xtables-}
  flavour=${flavour%-multi}
  for family in iptables ip6tables; do
    for command in "" -save -restore; do
      link "$multi" "$family-$flavour$command"
    done
  done
done

for plugin in /usr/lib/*/xtables/*.so; do
  copy "$plugin"
done

find "$root/usr" -type f \( -perm -u+x -o -name '*.so' \) | while read -r file; do
  ldd "$file" 2>&1 || true
done >/tmp/libraries

# A program of a newer system than this base names versions that these libraries do not have.
if grep 'not found' /tmp/libraries >&2; then
  echo 'build node and weft-proxy on a system no newer than the base image, or name a newer BASE_IMAGE' >&2
  exit 1
fi
grep -o '/[^ ]*' /tmp/libraries | grep '\.so' | sort -u | while read -r library; do
  copy "${library%:}"
done

mkdir -m 1777 "$root/tmp"
mkdir -p "$root/run" "$root/var/run/weft"
