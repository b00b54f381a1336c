# shellcheck shell=bash
# Where things lie and who does what. Sourced by every script here; changes nothing by itself.
set -euo pipefail
umask 022

# shellcheck disable=SC2034  # used by the scripts that source this
{
  repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
  bin_dir=/usr/local/bin
  lib_dir=/usr/local/lib/roadstead
  share_dir=/usr/local/share/roadstead
  state_dir=/var/lib/roadstead
  run_dir=/run/roadstead
  log_dir=/var/log/roadstead
  stamp_dir=$state_dir/built # which input each image was built from; readable by everyone, unlike the images
  # The first is there before the server serves; `make run` makes the others while it does.
  read -ra images <<<"${ROADSTEAD_IMAGES:-linux_latest code_latest}"
  server_user=roadstead # who the server runs as when root starts it

  dialects=(agentbay agb) # the vendors' dialects: cargo features, of which one alone must do
  helpers=(roadstead-starter roadstead-egress roadstead-guest)
  build_packages=(gcc libc6-dev)
  image_packages=(mmdebstrap erofs-utils debian-archive-keyring)
  run_packages=(adduser util-linux)
  test_packages=(python3 python3-venv default-jdk-headless maven iproute2 nftables busybox-static curl procps)
  bench_packages=(crun)
}
# shellcheck source=scripts/terminal.sh
. "$repo/scripts/terminal.sh"

target_dir=${CARGO_TARGET_DIR:-$repo/target}
[[ $target_dir == /* ]] || target_dir=$PWD/$target_dir
# The four programs side by side, as they are installed.
# shellcheck disable=SC2034
staged=$target_dir/roadstead

is_root() { ((EUID == 0)); }

# as_root VERB ARGS…: runs one verb of scripts/root.sh as root, asking for sudo's password at most once.
as_root() {
  if is_root; then
    "$repo/scripts/root.sh" "$@"
    return
  fi
  need_sudo
  sudo -- env "${root_environment[@]}" "$repo/scripts/root.sh" "$@"
}

# need_sudo: says what root is wanted for, and asks once.
need_sudo() {
  [[ -z ${sudo_ready:-} ]] || return 0
  command -v sudo >/dev/null || die "This needs root, you are $(id -un), and sudo is not installed." "Run it as root, or as root: apt-get install sudo && adduser $(id -un) sudo"
  root_environment=()
  local name
  for name in TERM NO_COLOR DEBIAN_FRONTEND ROADSTEAD_MIRROR ROADSTEAD_SECURITY_MIRROR ROADSTEAD_IMAGE_EXTRA_CA ROADSTEAD_IMAGES ROADSTEAD_NPM_REGISTRY PIP_INDEX_URL http_proxy https_proxy no_proxy; do
    [[ -z ${!name:-} ]] || root_environment+=("$name=${!name}")
  done
  if ! sudo -n true 2>/dev/null; then
    say "Root is needed for packages, installed files, the image and the starter; all of it is in scripts/root.sh."
    sudo -v -p "Password of %u for sudo: " || die "This needs root, and sudo did not grant it to $(id -un)." "Run it as root, or as a user who may sudo, on a terminal."
  fi
  sudo_ready=1
}

# What a run uses: the data directory, and who serves.
if is_root; then
  # shellcheck disable=SC2034
  data_dir=${ROADSTEAD_DATA_DIR:-$state_dir/server}
else
  # shellcheck disable=SC2034
  data_dir=${ROADSTEAD_DATA_DIR:-${XDG_DATA_HOME:-${HOME:?HOME is not set}/.local/share}/roadstead}
fi

# as_server COMMAND…: as the user that the server runs as.
as_server() {
  if is_root; then
    setpriv --reuid "$server_user" --regid "$server_user" --clear-groups -- "$@"
  else
    "$@"
  fi
}

# missing_packages PACKAGE…: those of them that are not installed.
missing_packages() {
  local package
  local -A installed=()
  while read -r _ package; do installed[${package%%:*}]=1; done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | grep '^ii' || true)
  for package; do [[ -n ${installed[$package]:-} ]] || echo "$package"; done
}

# need_packages PACKAGE…: installs what is missing.
need_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} == 0)) || as_root packages "${missing[@]}"
}

# image_current ID: whether an image is what its recipe says. The directory of images is root's alone, so that the stamp
# beside it answers for everybody else.
image_current() {
  [[ $(cat "$stamp_dir/$1" 2>/dev/null) == $("$repo/images/build" --hash "$1") ]] || return 1
  ! is_root || [[ -e $state_dir/images/$1/manifest.json ]]
}

# host_triple: what rustc calls this machine.
host_triple() { rustc -vV | sed -n 's/^host: //p'; }
