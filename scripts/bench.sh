#!/bin/bash
# scripts/bench.sh [ARGUMENTS…]: sets up, then measures Roadstead next to crun and the bare floor, in one run.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
# shellcheck source=scripts/check.sh
. "$repo/scripts/check.sh"

build_all=1 "$repo/scripts/setup.sh"
need_packages "${bench_packages[@]}"
check_rust
cd "$repo"
if is_root; then exec scripts/root.sh tests "$target_dir/release/bench" "$@"; fi
need_sudo
exec sudo -E env "PATH=$PATH" scripts/root.sh tests "$target_dir/release/bench" "$@"
