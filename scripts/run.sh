#!/bin/bash
# scripts/run.sh: set up what is missing, then serve in the foreground until Ctrl-C.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
# shellcheck source=scripts/check.sh
. "$repo/scripts/check.sh"

# Known before minutes of building, not after.
check_host
check_ports
"$repo/scripts/setup.sh"

roadstead=$bin_dir/roadstead
if is_root; then
  as_root user
  server_uid=$(id -u "$server_user")
else
  server_uid=$EUID
  (umask 077 && mkdir -p "$data_dir")
fi

# Root's first API key is shown once, to root; the server keeps only its hash.
instance=$(as_server "$roadstead" --data-dir "$data_dir" instance)
if is_root; then
  key_file=${HOME:-/root}/.local/share/roadstead/$instance.key
  mkdir -p "${key_file%/*}"
  (umask 077 && as_server "$roadstead" --data-dir "$data_dir" init >"$key_file.new")
  if [[ -s $key_file.new ]]; then mv "$key_file.new" "$key_file"; else rm -f "$key_file.new"; fi
  export ROADSTEAD_KEY_FILE=$key_file
fi

# The kernel lists the sockets that really listen; a file of that name may be left from a starter long gone.
socket=$run_dir/$instance/starter.sock
if [[ ! -S $socket ]] || ! grep -qF " $socket" /proc/net/unix; then
  as_root starter "$instance" "$server_uid" || die "The starter did not start; without it there are no sandboxes." "Its message is above; 'roadstead doctor' says more about this machine."
fi

for id in "${images[@]:1}"; do
  ! image_current "$id" || continue
  as_root image_later "$id"
  say "The image $id is made in the background, which takes some minutes: roadstead image ls"
done

cd /
if is_root; then
  exec setpriv --reuid "$server_user" --regid "$server_user" --clear-groups -- "$roadstead" --data-dir "$data_dir" serve
fi
exec "$roadstead" --data-dir "$data_dir" serve
