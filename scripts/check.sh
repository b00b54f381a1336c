# shellcheck shell=bash
# What must hold before anything is built or started. Every failure is one message that says what to do. After lib.sh.
: "${repo:?}"

# check_host: the machine and its kernel.
check_host() {
  [[ $(uname -s) == Linux ]] || die "Roadstead runs on Linux; this is $(uname -s)." "On a Mac or on Windows: use a Linux virtual machine."
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) die "Roadstead runs on x86_64 and aarch64; this machine is $(uname -m)." ;;
  esac
  local release major minor
  release=$(uname -r)
  IFS=.- read -r major minor _ <<<"$release"
  ((major > 6 || (major == 6 && ${minor%%[!0-9]*} >= 1))) ||
    die "Roadstead needs Linux 6.1 or newer; this kernel is $release." "Debian 12, Ubuntu 24.04 and newer have one; on older releases install a newer kernel package and reboot."
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    die "Roadstead sets itself up with apt, which is not here." "Use Debian 12 or newer, or Ubuntu 24.04 or newer."
  fi
  check_kernel "$release"
}

check_kernel() {
  local feature controller
  [[ -e /proc/self/ns/user && $(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 0) != 0 ]] ||
    die "User namespaces are switched off on this machine." "sudo sysctl -w user.max_user_namespaces=15000 (and keep it in /etc/sysctl.d)"
  grep -q '^Seccomp_filters:' /proc/self/status || die "This kernel has no seccomp filters." "Boot a distribution kernel (CONFIG_SECCOMP_FILTER)."
  for feature in overlay erofs nf_tables; do
    has_feature "$feature" "$1" || die "This kernel has no $feature." "Boot a distribution kernel; on Ubuntu: apt-get install linux-modules-extra-$1"
  done
  for controller in memory pids cpu; do
    has_controller "$controller" ||
      die "The cgroup controller '$controller' is not there, so a sandbox could not be limited." "Boot with cgroup_enable=$controller, or mount cgroups (systemd does) and try again."
  done
  # Root in a container without privileges looks like root, and can do nothing of what the starter does.
  ! is_root || (((0x$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) >> 21) & 1)) ||
    die "Root lacks CAP_SYS_ADMIN here: this looks like an unprivileged container." "Use a machine or virtual machine, or a container with --privileged."
}

# has_feature NAME RELEASE: built in, loaded, or a module that can be loaded. Unknown counts as there: the kernel will say.
has_feature() {
  grep -qw "$1" /proc/filesystems && return
  [[ -d /sys/module/$1 || ! -e /lib/modules/$2/modules.dep ]] && return
  grep -qE "/$1\.ko" "/lib/modules/$2/modules.dep" "/lib/modules/$2/modules.builtin" 2>/dev/null
}

has_controller() {
  grep -qw "$1" /sys/fs/cgroup/cgroup.controllers 2>/dev/null && return
  awk -v c="$1" '$3 ~ /^cgroup$/ && ("," $4 ",") ~ ("," c ",") { found = 1 } END { exit !found }' /proc/mounts && return
  awk -v c="$1" '$1 == c && $2 != 0 && $4 == 1 { found = 1 } END { exit !found }' /proc/cgroups 2>/dev/null
}

# check_rust: a toolchain that can build this; puts rustup's on the PATH where the shell does not have it yet.
check_rust() {
  local wanted found rustup="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . ~/.cargo/env"
  command -v cargo >/dev/null || PATH=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH
  command -v cargo >/dev/null || [[ -z ${SUDO_USER:-} ]] ||
    die "Rust is not installed for root." "Call make as $SUDO_USER, without sudo: it asks for root where it needs it."
  command -v cargo >/dev/null ||
    die "Rust is not installed for $(id -un)." "Install it, then try again (curl comes from: apt-get install curl):"$'\n'"  $rustup"
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$repo/Cargo.toml")
  found=$(rustc --version 2>&1 | sed -nE 's/^rustc ([0-9]+\.[0-9]+).*/\1/p')
  [[ -n $found ]] || die "rustc does not run: $(rustc --version 2>&1 | tail -n 1)" "rustup default stable"
  [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) == "$wanted" ]] ||
    die "Rust $wanted or newer is needed; rustc is $found." "rustup update stable (Debian's own rustc is too old: $rustup)"
}

# check_ports: that nobody else has the server's addresses.
check_ports() {
  local entry name address host port holder
  for entry in "ROADSTEAD_LISTEN ${ROADSTEAD_LISTEN:-127.0.0.1:8443}" "ROADSTEAD_HTTP_LISTEN ${ROADSTEAD_HTTP_LISTEN:-127.0.0.1:8080}" \
    "ROADSTEAD_LINKS_LISTEN ${ROADSTEAD_LINKS_LISTEN:-127.0.0.1:8444}"; do
    read -r name address <<<"$entry"
    host=${address%:*} port=${address##*:}
    # Anything odd is for the server to judge.
    [[ $port =~ ^[0-9]+$ && $port != 0 ]] || continue
    holder=$(port_holder "$host" "$port") || continue
    case $holder in
      "roadstead ("*) die "Port $port is in use: a Roadstead server already runs here, $holder." "Use it as it is, or stop it first (Ctrl-C where it runs)." ;;
      *) die "Port $port is in use by $holder." "Stop it, or choose another address: $name=$host:$((port + 10000 < 65536 ? port + 10000 : port - 10000)) make run" ;;
    esac
  done
}

# port_holder HOST PORT: prints who listens there; false when nobody does. Reads the kernel's tables, because a small
# machine has neither ss nor lsof.
port_holder() {
  local inodes fd pid
  inodes=$(awk -v want="$(hex_address "$1")" -v port="$(printf '%04X' "$2")" '
    $4 == "0A" { split($2, a, ":")
      if (a[2] == port && (want == "" || a[1] == want || a[1] ~ /^0+$/ || want ~ /^0+$/)) print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  [[ -n $inodes ]] || return 1
  for fd in /proc/[0-9]*/fd/*; do
    [[ $(readlink "$fd" 2>/dev/null) =~ ^socket:\[([0-9]+)\]$ ]] || continue
    grep -qx "${BASH_REMATCH[1]}" <<<"$inodes" || continue
    pid=${fd#/proc/} pid=${pid%%/*}
    echo "$(cat "/proc/$pid/comm") (process $pid)"
    return
  done
  echo "another user's process (sudo ss -ltnp 'sport = :$2' names it)"
}

# hex_address IPV4: as /proc/net/tcp writes it; nothing for other forms, which then match every address.
hex_address() {
  [[ $1 =~ ^([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)$ ]] || return 0
  printf '%02X%02X%02X%02X' "${BASH_REMATCH[4]}" "${BASH_REMATCH[3]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}"
}
