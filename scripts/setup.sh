#!/bin/bash
# scripts/setup.sh [build|install|image|images]…
#
# Brings this machine to where Roadstead can run: Debian packages, programs built and installed, the first image. Each
# part looks first whether there is anything to do; with names, only those parts (and what they need) are done. `images`
# is every image of ROADSTEAD_IMAGES.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
# shellcheck source=scripts/check.sh
. "$repo/scripts/check.sh"

# The calling user builds; cargo shows its own progress.
build() {
  need_packages "${build_packages[@]}"
  local triple program
  triple=$(host_triple)
  [[ -e $staged/roadstead ]] || headline "Building (some minutes the first time)"
  cd "$repo"
  # Flags of the caller's would replace the ones below, and move what is built to another place.
  unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET
  # Tests and benches want everything, from one selection of packages: cargo builds a dependency anew for each set of
  # features, and every selection has its own.
  local selection=(-p roadstead)
  [[ -z ${build_all:-} ]] || selection=(--workspace --all-targets)
  cargo build --locked --release --target-dir "$target_dir" "${selection[@]}"
  # What lives in and beside sandboxes is static: it must run on any image, and start quickly.
  cargo build --locked --profile guest --target-dir "$target_dir" --target "$triple" \
    --config "target.$triple.rustflags=[\"-Ctarget-feature=+crt-static\"]" -p guest -p jailer -p egress
  mkdir -p "$staged"
  stage "$target_dir/release/roadstead"
  for program in "${helpers[@]}"; do stage "$target_dir/$triple/guest/$program"; done
}

stage() {
  [[ -x $1 ]] || die "The build made no $1." "This is a fault of Roadstead's: please report it."
  cmp -s "$1" "$staged/${1##*/}" || { cp "$1" "$staged/.new" && mv "$staged/.new" "$staged/${1##*/}"; }
}

install() {
  build
  need_packages "${run_packages[@]}"
  local program changed=''
  cmp -s "$staged/roadstead" "$bin_dir/roadstead" || changed=1
  for program in "${helpers[@]}"; do cmp -s "$staged/$program" "$lib_dir/$program" || changed=1; done
  diff -rq "$repo/images" "$share_dir/images" >/dev/null 2>&1 || changed=1
  cmp -s "$repo/scripts/terminal.sh" "$share_dir/scripts/terminal.sh" || changed=1
  [[ -n $changed ]] || return 0
  headline "Installing under /usr/local"
  as_root install "$staged"
}

image() { make_images "${images[0]}"; }

images() { make_images "${images[@]}"; }

make_images() {
  local id
  for id; do
    ! image_current "$id" || continue
    need_packages "${image_packages[@]}"
    as_root image "$id"
  done
}

check_host
check_rust
if (($# == 0)); then
  need_packages "${build_packages[@]}" "${run_packages[@]}" "${image_packages[@]}" # all at once
  install
  image
fi
for part; do
  case $part in
    build | install | image | images) "$part" ;;
    *) die "scripts/setup.sh: unknown part '$part'." ;;
  esac
done
