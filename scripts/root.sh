#!/bin/bash
# scripts/root.sh VERB ARGS…
#
# Everything of the set-up that root does, and nothing else. The other scripts call it, through sudo where they must.
#
#   packages NAME…             install Debian packages
#   install DIR                install the programs in DIR, the image recipes and their builder
#   image ID                   build an image when its recipe changed
#   image_later ID             the same in the background, out of the way of everything else
#   user                       create the user that serves when root started it, and its data directory
#   starter INSTANCE UID       start the privileged process for the server with this uid
#   tests COMMAND…             run the integration tests, which make sandboxes
#   uninstall [--purge]        remove what `install`, `image` and `user` made; --purge: the server's data too
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
is_root || die "scripts/root.sh must run as root."

packages() {
  local log=$log_dir/packages.log
  mkdir -p "$log_dir"
  export DEBIAN_FRONTEND=noninteractive
  headline "Installing Debian packages: $*"
  step "reading the package lists" "$log" apt-get update -q
  step "installing" "$log" apt-get install -q -y --no-install-recommends "$@"
}

# install_all DIR: only what differs is replaced, and each file at once by a rename: programs that run keep theirs.
install_all() {
  local from=$1 file
  install -d "$bin_dir" "$lib_dir" "$share_dir"
  replace "$from/roadstead" "$bin_dir/roadstead" 755
  for file in "${helpers[@]}"; do replace "$from/$file" "$lib_dir/$file" 755; done
  (cd "$repo" && find images -type f -print && echo scripts/terminal.sh) | while read -r file; do
    install -d "$(dirname "$share_dir/$file")"
    if [[ -x $repo/$file ]]; then replace "$repo/$file" "$share_dir/$file" 755; else replace "$repo/$file" "$share_dir/$file" 644; fi
  done
  # What an older version had and this one has not.
  (cd "$share_dir" && find images scripts -type f) | while read -r file; do
    [[ -e $repo/$file ]] || rm "$share_dir/$file"
  done
}

replace() {
  ! cmp -s "$1" "$2" || return 0
  install -m "$3" "$1" "$2.new"
  mv "$2.new" "$2"
  say "  installed $2"
}

image() {
  local hash
  hash=$("$repo/images/build" --hash "$1")
  "$repo/images/build" "$1"
  install -d "$stamp_dir"
  echo "$hash" >"$stamp_dir/$1"
}

# In a session of its own: no terminal's Ctrl-C or hang-up reaches it.
image_later() {
  mkdir -p "$log_dir"
  flock -n "$log_dir/.$1.later" true || return 0 # it is being built, or waits for its turn
  setsid --fork flock -n "$log_dir/.$1.later" nice -n 15 "$repo/scripts/root.sh" image "$1" </dev/null >"$log_dir/images-$1.log" 2>&1
}

user() {
  if ! id -u "$server_user" >/dev/null 2>&1; then
    say "Creating the system user $server_user: the server runs as it, not as root."
    adduser --system --group --quiet --no-create-home --home "$state_dir/server" --shell /usr/sbin/nologin "$server_user"
  fi
  install -d -m 755 "$state_dir"
  install -d -m 700 -o "$server_user" -g "$server_user" "$data_dir"
}

starter() {
  "$lib_dir/roadstead-starter" --instance "$1" --server-uid "$2" --guest "$lib_dir/roadstead-guest" --egress "$lib_dir/roadstead-egress" </dev/null
}

# The servers of tests run as uids that are nobody, so the programs must lie where everybody can reach them: a checkout
# in a closed home directory is no such place. Laid out as cargo's target directory is.
tests() {
  local programs status=0
  programs=$(mktemp -d "$state_dir/tests.XXXXXX")
  # shellcheck disable=SC2064 # as it is now
  trap "rm -rf --one-file-system '$programs'" EXIT
  chmod 755 "$programs"
  install -D -m 755 -t "$programs/release" "$staged/roadstead"
  install -D -m 755 -t "$programs/static/guest" "${helpers[@]/#/$staged/}"
  # A home of root's own, so that no cache of the calling user ends up owned by root.
  HOME=$(getent passwd 0 | cut -d: -f6) ROADSTEAD_TARGET_DIR=$programs "$@" || status=$?
  if [[ -d $target_dir/sdk ]]; then chown -R --reference="$target_dir" "$target_dir/sdk"; fi
  exit "$status"
}

uninstall() {
  local starter
  # `roadstead down` was the polite way and came first. A starter ends its sandboxes, and each keeps its pid in its lock.
  for starter in "$state_dir"/starters/*/; do
    [[ -e ${starter}lock ]] || continue
    ! flock -n "${starter}lock" true || continue
    say "  ending the starter of ${starter%/}"
    kill "$(cat "${starter}lock")" 2>/dev/null || true
    flock -w 20 "${starter}lock" true || die "It still runs after 20 s: process $(cat "${starter}lock")." "Its log: ${starter}starter.log"
  done
  end_builds
  rm -f "$bin_dir/roadstead"
  rm -rf "$lib_dir" "$share_dir" "$log_dir" "$stamp_dir"
  rm -rf --one-file-system "$state_dir/images" "$state_dir/starters" "$run_dir"
  if [[ ${1:-} == --purge ]]; then rm -rf --one-file-system "$state_dir"; fi
  rmdir "$state_dir" 2>/dev/null || true
  if id -u "$server_user" >/dev/null 2>&1; then
    if [[ -d $state_dir/server ]]; then
      say "  $state_dir/server keeps the server's data, and the user $server_user owns it (PURGE=1 removes both)"
    else
      userdel "$server_user"
    fi
  fi
}

# A build ends tidily, with everything it started, when it is told to.
end_builds() {
  local file pid
  for file in "$run_dir"/images/*.building; do
    [[ -e $file ]] || continue
    read -r _ pid _ <"$file"
    [[ $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) == *images/build* ]] || continue
    say "  ending the build of the image $(basename "$file" .building)"
    kill "$pid"
    tail --pid="$pid" -f /dev/null
  done
}

verb=${1:-}
shift || true
case $verb in
  packages | image | image_later | user | starter | tests | uninstall) "$verb" "$@" ;;
  install) install_all "$@" ;;
  *) die "scripts/root.sh: unknown verb '$verb'." ;;
esac
