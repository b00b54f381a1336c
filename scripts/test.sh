#!/bin/bash
# scripts/test.sh [CARGO TEST ARGUMENTS…]: sets up what tests need, then runs all of them.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
# shellcheck source=scripts/check.sh
. "$repo/scripts/check.sh"

check_host
check_rust
need_packages "${build_packages[@]}" "${run_packages[@]}" "${image_packages[@]}" "${test_packages[@]}" # all at once
# While the programs are built; what is not done by then is waited for.
for id in "${images[@]}"; do image_current "$id" || as_root image_later "$id"; done
build_all=1 "$repo/scripts/setup.sh"
"$repo/scripts/setup.sh" images
cd "$repo"
started=$SECONDS

# Many of them make sandboxes, namespaces and other users' processes: built by the calling user, run by root.
headline "Tests (with the official SDK from PyPI, so the first run fetches it)"
triple=$(host_triple | tr 'a-z-' 'A-Z_')
if is_root; then
  export "CARGO_TARGET_${triple}_RUNNER=$repo/scripts/root.sh tests"
else
  need_sudo
  export "CARGO_TARGET_${triple}_RUNNER=sudo -E env PATH=$PATH $repo/scripts/root.sh tests"
fi
cargo test --locked --release --target-dir "$target_dir" --workspace --no-fail-fast "$@" ||
  die "Tests failed." "The names of the failed ones are above; one alone: make test ARGS=NAME"

# With all packages, so that what they depend on is built once and not anew for fewer features; of the tests those of the
# front door, which no other package names so.
for dialect in "${dialects[@]}"; do
  [ $# -eq 0 ] || break
  headline "Tests of the front door with the dialect $dialect alone"
  cargo test --locked --release --target-dir "$target_dir" --workspace --lib --no-default-features --features "roadstead/$dialect" --no-fail-fast \
    -- dialect:: direct:: front:: listener:: tool:: || die "Tests failed with the dialect $dialect alone."
done

say "${green}✓ all tests passed${plain} ($((SECONDS - started)) s)"
