#!/bin/bash
# scripts/uninstall.sh: stops Roadstead and removes what `make run` installed. PURGE=1: the data too.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"

# Ends this user's sessions, their starter and the server.
if [[ -x $bin_dir/roadstead && -d $data_dir ]] && { ! is_root || id -u "$server_user" >/dev/null 2>&1; }; then
  say "Stopping sessions, starter and server"
  as_server "$bin_dir/roadstead" --data-dir "$data_dir" down || warn "roadstead down did not succeed; going on"
fi
say "Removing programs and images"
if [[ -n ${PURGE:-} ]]; then
  as_root uninstall --purge
  rm -rf --one-file-system "$data_dir" "${HOME:?}/.local/share/roadstead"
  say "${green}✓ removed${plain}, with all data"
else
  as_root uninstall
  say "${green}✓ removed${plain}; data stay in $data_dir (PURGE=1 make uninstall removes them)"
fi
say "  Debian packages that were installed stay: they are useful to others too."
