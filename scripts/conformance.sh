#!/bin/bash
# scripts/conformance.sh [ARGUMENTS…]: sets up, then lets official SDK releases run our scenarios; --help lists what it takes.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
# shellcheck source=scripts/check.sh
. "$repo/scripts/check.sh"

check_host
build_all=1 "$repo/scripts/setup.sh"
need_packages "${test_packages[@]}"
check_rust
cd "$repo"
if is_root; then exec scripts/root.sh tests "$target_dir/release/conformance" "$@"; fi
need_sudo
exec sudo -E env "PATH=$PATH" scripts/root.sh tests "$target_dir/release/conformance" "$@"
