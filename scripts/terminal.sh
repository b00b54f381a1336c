# shellcheck shell=bash
# What the scripts say on a terminal: plain lines, one clear message on failure, progress on whatever takes longer than
# a second. Sourced, also by the installed image builder; needs nothing but bash and coreutils.

if [[ -t 1 && ${TERM:-dumb} != dumb && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

# say TEXT: a line about what happens now.
say() { printf '%s\n' "$*"; }

# headline TEXT: the start of a part.
headline() { printf '%s%s%s\n' "$bold" "$*" "$plain"; }

# warn TEXT: something the user should know; the work goes on.
warn() { printf '%snote:%s %s\n' "$bold" "$plain" "$*" >&2; }

# die WHAT [REMEDY]: the one message of a failure, and the end.
die() {
  printf '%s✗ %s%s\n' "$red" "$1" "$plain" >&2
  [[ -z ${2:-} ]] || printf '  %s\n' "$2" >&2
  exit "$said"
}

# No failure is silent: what fails without a message of its own is named here. A script that ended by `die`, or a cargo
# that failed, has said enough.
readonly said=70
unexpected() {
  case $1 in "$said" | 101 | 130) return ;; esac
  ((BASH_SUBSHELL > 0)) || printf '%s✗ %s line %s failed (exit status %s): %s%s\n' "$red" "$0" "$2" "$1" "$3" "$plain" >&2
}
set -E
trap 'unexpected $? "$LINENO" "$BASH_COMMAND"' ERR

# step TEXT LOG COMMAND...: runs COMMAND with its output added to LOG and shows TEXT with the time it takes. On a terminal
# the line is redrawn each second and ends with the newest line of the log; elsewhere it is printed once at the start,
# every 30 s and at the end. Dies with the log's last error when COMMAND fails. Never call it in a condition: bash would
# then ignore failures inside COMMAND where that is a function.
step() {
  local text=$1 log=$2 started=$SECONDS status=0 pid last width
  shift 2
  width=$(stty size <&1 2>/dev/null | cut -d' ' -f2 || true)
  width=$((${width:-80} - ${#text} - 16))
  : >>"$log"
  set -m # a process group of its own, so that it can be ended with everything it started
  "$@" >>"$log" 2>&1 </dev/null &
  set +m
  pid=$! step_pid=$!
  [[ -t 1 ]] || printf '  · %s\n' "$text"
  while sleep_or_exit 1 "$pid"; do
    if [[ -t 1 ]]; then
      last=$(tail -c 400 "$log" | tr '\r' '\n' | tr -cd '[:print:]\n' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-$((width > 1 ? width : 1)) || true)
      printf '\r\e[K  · %s  %s%s s  %s%s' "$text" "$dim" $((SECONDS - started)) "$last" "$plain"
    elif (((SECONDS - started) % 30 == 0)); then
      printf '    still at it after %s s\n' $((SECONDS - started))
    fi
  done
  wait "$pid" || status=$?
  step_pid=''
  [[ ! -t 1 ]] || printf '\r\e[K'
  if ((status == 0)); then
    printf '  %s✓%s %s %s(%s s)%s\n' "$green" "$plain" "$text" "$dim" $((SECONDS - started)) "$plain"
  else
    die "Failed: $text (exit status $status)." "$(last_error "$log")"$'\n'"  The whole story: $log"
  fi
}

# last_error LOG: the newest line that looks like an error, else the newest line.
last_error() {
  { grep -aE '^(E:|error|Error|ERROR|fatal)|[^a-z]error:|: (cannot|No such)' "$1" || tail -n 1 "$1"; } | tail -n 1 | cut -c 1-300
}

# A step ends, and has ended, before the script does.
step_pid=''
end_step() {
  [[ -z $step_pid ]] || kill -TERM -- "-$step_pid" 2>/dev/null || true
  [[ -z $step_pid ]] || wait "$step_pid" 2>/dev/null || true
  step_pid=''
}
trap 'end_step; exit 130' INT TERM HUP

# sleep_or_exit SECONDS PID: true when PID still runs after SECONDS, false as soon as it ended.
sleep_or_exit() {
  ! timeout "$1" tail --pid="$2" -s 0.05 -f /dev/null
}
