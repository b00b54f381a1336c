#!/bin/bash
# scripts/lint.sh: what must be clean before a change goes in.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
# shellcheck source=scripts/check.sh
. "$repo/scripts/check.sh"

check_rust
need_packages "${build_packages[@]}" shellcheck
for tool in fmt clippy; do
  cargo "$tool" --version >/dev/null 2>&1 || die "cargo $tool is not installed." "rustup component add rustfmt clippy"
done
cd "$repo"
headline "Formatting"
cargo fmt --all --check || die "Not formatted." "make fmt"
headline "Shell scripts"
shellcheck --external-sources scripts/*.sh images/build images/*/finish .ci/run || die "shellcheck has something to say."
headline "Lints"
cargo clippy --locked --release --target-dir "$target_dir" --workspace --all-targets -- --deny warnings || die "clippy has something to say."
for dialect in "${dialects[@]}"; do
  headline "Lints with the dialect $dialect alone"
  cargo clippy --locked --release --target-dir "$target_dir" --workspace --all-targets --no-default-features --features "roadstead/$dialect" \
    -- --deny warnings || die "clippy has something to say, with the dialect $dialect alone."
done
