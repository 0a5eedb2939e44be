#!/usr/bin/env bash
# Installs the programs that tests run into .tools/bin: crane, kustomize, regsync, the CNCF
# distribution registry and the conformance suite of the OCI distribution specification
# with Go; skopeo (two versions), docker-registry and containerd with its ctr from Debian's
# packages, unpacked into trees of their own so that the machine gets
# no service and no other version of anything. Only mmdebstrap and podman are
# installed with apt-get, and only as root; this never calls sudo.
#
# What is there at the right version is left alone. What cannot be had is said in one
# line each and kept in .tools/missing/NAME, which the tests quote when they skip;
# with CI=true it is an error.
set -euo pipefail
cd "$(dirname "$0")/../.."

conformance_version=v0.0.0-20260831232431-97274622c111
crane_version=v0.22.1
distribution_version=v3.1.2
kustomize_version=v5.7.1
regsync_version=v0.11.5

tools=$PWD/.tools
bin=$tools/bin
logs=$tools/log
missing=$tools/missing
rm -rf "$missing"
mkdir -p "$bin" "$logs" "$missing"

say() { echo "tools: $*" >&2; }
lacks() { echo "$2" >"$missing/$1"; }

# has NAME VERSION ARGS...: .tools/bin/NAME runs and names that version; without ARGS it
# is Go that names it, for a program that does not.
has() {
  local name=$1 version=$2
  shift 2
  [ -x "$bin/$name" ] || return
  if [ $# = 0 ]; then
    go version -m "$bin/$name" 2>&1 |
      awk -v version="$version" '$1 == "mod" && $3 == version { is = 1 } END { exit !is }'
  else
    "$bin/$name" "$@" 2>&1 | grep -qF -- "$version"
  fi
}

# go_install NAME VERSION PACKAGE ARGS...: ARGS print the version.
go_install() {
  local name=$1 version=$2 package=$3
  shift 3
  has "$name" "$version" "$@" && return
  if ! command -v go >/dev/null; then
    lacks "$name" "Go is not installed"
    return
  fi
  say "building $name $version (minutes, when Go's build cache is cold)"
  if ! GOBIN=$bin CGO_ENABLED=0 GOFLAGS=-trimpath go install "$package@$version" \
    </dev/null >"$logs/$name.log" 2>&1; then
    lacks "$name" "go install failed: $(tail -n 1 "$logs/$name.log")"
  elif ! has "$name" "$version" "$@"; then
    lacks "$name" "go install gave another version than $version"
  fi
}

go_tools() {
  go_install crane "$crane_version" github.com/google/go-containerregistry/cmd/crane version
  go_install registry "$distribution_version" \
    github.com/distribution/distribution/v3/cmd/registry --version
  go_install kustomize "$kustomize_version" sigs.k8s.io/kustomize/kustomize/v5 version
  go_install regsync "$regsync_version" github.com/regclient/regclient/cmd/regsync version
  go_install conformance "$conformance_version" \
    github.com/opencontainers/distribution-spec/conformance
}

apt_packages() {
  local wanted=() program
  for program in mmdebstrap podman; do
    command -v "$program" >/dev/null || wanted+=("$program")
  done
  [ ${#wanted[@]} = 0 ] && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    return
  fi
  say "installing ${wanted[*]} with apt-get"
  {
    apt-get update &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}"
  } </dev/null >"$logs/apt.log" 2>&1 || say "apt-get failed: $(tail -n 1 "$logs/apt.log")"
}

# unpack SUITE TREE PACKAGES: .tools/TREE is PACKAGES of that Debian suite with what
# they depend on, unpacked and not installed.
unpack() {
  local suite=$1 tree=$2 packages=$3
  local target=$tools/$tree fresh=$tools/$tree.new
  rm -rf "$fresh" "$target"
  say "unpacking $packages of Debian's $suite"
  mmdebstrap --variant=extract --include="$packages" "$suite" "$fresh" \
    </dev/null >"$logs/$tree.log" 2>&1 || return 1
  # What no program here reads: nine tenths of the files.
  rm -rf "$fresh/usr/share" "$fresh/var/lib/apt" "$fresh/var/cache"
  mv "$fresh" "$target"
}

# wrap NAME TREE PROGRAM: .tools/bin/NAME starts the tree's program through the tree's
# own dynamic loader and libraries. exec keeps the pid, so signals reach the program.
# The path is written out: NAME may be started through a link with any other name.
wrap() {
  local name=$1 tree=$tools/$2 program=$3 loader libraries
  # Debian 12 has it under lib/, Debian 13 under usr/lib/ only.
  loader=$(find "$tree" -path '*/lib/*/ld-linux*.so.*' -type f -print -quit)
  libraries=$(basename "$(dirname "$loader")")
  cat >"$bin/$name" <<WRAPPER
#!/bin/sh
exec "$loader" --library-path "$tree/usr/lib/$libraries:$tree/lib/$libraries" "$tree/usr/bin/$program" "\$@"
WRAPPER
  chmod +x "$bin/$name"
}

# debian_tool NAME VERSION TREE PROGRAM
debian_tool() {
  [ -x "$tools/$3/usr/bin/$4" ] && wrap "$1" "$3" "$4"
  has "$1" "$2" --version && return
  lacks "$1" "another version than $2 came from Debian, see .tools/log/$3.log"
}

# debian_tree SUITE TREE NAME=VERSION=PROGRAM[=PACKAGE]...: a package is called as its
# program where it is not named.
debian_tree() {
  local suite=$1 tree=$2 packages="" spec name version program package complete=yes
  shift 2
  for spec in "$@"; do
    IFS='=' read -r name version program package <<<"$spec"
    has "$name" "$version" --version && [ -x "$tools/$tree/usr/bin/$program" ] || complete=no
    packages+=${packages:+,}${package:-$program}
  done
  [ $complete = yes ] && return
  if [ "$(uname -s)" != Linux ] || ! command -v mmdebstrap >/dev/null; then
    for spec in "$@"; do
      lacks "${spec%%=*}" "mmdebstrap is not installed (Debian's package of that name)"
    done
    return
  fi
  if ! unpack "$suite" "$tree" "$packages"; then
    for spec in "$@"; do
      lacks "${spec%%=*}" "mmdebstrap $suite failed: $(tail -n 1 "$logs/$tree.log")"
    done
    return
  fi
  for spec in "$@"; do
    IFS='=' read -r name version program package <<<"$spec"
    debian_tool "$name" "$version" "$tree" "$program"
  done
}

debian_tools() {
  apt_packages
  command -v podman >/dev/null || lacks podman "podman is not installed"
  debian_tree bookworm debian12 skopeo-1.9=1.9.3=skopeo registry-2.8=2.8.2=docker-registry
  debian_tree trixie debian13 skopeo-1.18=1.18.0=skopeo \
    containerd=1.7.24=containerd ctr=1.7.24=ctr=containerd
}

# The Go builds want the cores and Debian's packages the network: side by side.
go_tools &
builds=$!
debian_tools
wait "$builds"

broken=0
for reason in "$missing"/*; do
  [ -e "$reason" ] || continue
  say "no $(basename "$reason"): $(cat "$reason")"
  broken=1
done
if [ "${CI:-}" = true ] && [ $broken = 1 ]; then
  say "CI=true needs all of them"
  exit 1
fi
