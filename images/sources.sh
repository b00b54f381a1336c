# shellcheck shell=bash
# Where an image's parts come from: Debian mirrors, and the registries that a recipe's `fetch` lines name. Sourced by
# images/build. apt itself fetches everything, so the host's proxy and certificate settings hold for all of it.
: "${work:=}" "${log:=}" "${mirror:=}"

# write_sources: finds mirrors that have the suite; sets main_mirror and writes $work/sources.list. apt itself fetches
# the probe, so the host's proxy and certificate settings hold for it.
write_sources() {
  local suite=${recipe[suite]} candidate keyring=/usr/share/keyrings/debian-archive-keyring.gpg signed=''
  [[ -e $keyring ]] || die "The keys of the Debian archive are not installed." "apt-get install debian-archive-keyring"
  signed="[signed-by=$keyring]"
  tried=() main_mirror='' security_mirror=''
  for candidate in ${mirror:-$(host_mirrors main) http://deb.debian.org/debian}; do
    tried+=("$candidate")
    if serves "$candidate" "$suite"; then main_mirror=${candidate%/} && break; fi
  done
  [[ -n $main_mirror ]] || return 1
  for candidate in ${ROADSTEAD_SECURITY_MIRROR:-$([[ -n $mirror ]] || host_mirrors security) "${main_mirror%/*}/debian-security" http://deb.debian.org/debian-security}; do
    candidate=${candidate//\"/}
    if serves "$candidate" "$suite-security"; then security_mirror=${candidate%/} && break; fi
  done
  {
    echo "deb $signed $main_mirror $suite main"
    ! serves "$main_mirror" "$suite-updates" || echo "deb $signed $main_mirror $suite-updates main"
    [[ -z $security_mirror ]] || echo "deb $signed $security_mirror $suite-security main"
  } >"$work/sources.list"
  [[ -n $security_mirror ]] || warn "no mirror with $suite-security answered: the image comes without the newest security updates"
}

serves() {
  echo "probe: $1 $2" >>"$log"
  /usr/lib/apt/apt-helper -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
    download-file "${1%/}/dists/$2/InRelease" "$work/probe" >>"$log" 2>&1
}

# host_mirrors main|security: where a Debian host's own apt gets its release from; nothing on other systems.
host_mirrors() {
  local codename pattern
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && [[ $ID == debian ]] && echo "${VERSION_CODENAME:-}") || return 0
  [[ $1 == main ]] && pattern="$codename" || pattern="$codename(-security|/updates)"
  {
    # One-line style: deb [options] URI suite component…
    sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?//p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
      awk -v s="^$pattern\$" '$2 ~ s && / main( |$)/ { print $1 }'
    # deb822 style: paragraphs of fields.
    awk -v s="(^| )$pattern( |\$)" 'BEGIN { RS = ""; FS = "\n" } {
      uris = suites = parts = ""; off = 0
      for (i = 1; i <= NF; i++) {
        split($i, f, /:[ \t]*/); v = substr($i, index($i, ":") + 1); gsub(/^[ \t]+/, "", v)
        if ($i ~ /^#/) continue
        if (f[1] == "URIs") uris = v; else if (f[1] == "Suites") suites = v; else if (f[1] == "Components") parts = v
        else if (f[1] == "Enabled" && v == "no") off = 1
      }
      if (!off && suites ~ s && parts ~ /(^| )main( |$)/) print uris
    }' /etc/apt/sources.list.d/*.sources 2>/dev/null
  } | tr ' ' '\n' | while read -r uri; do
    case $uri in
      mirror+file:*) grep -oE '^[a-z]+://[^[:space:]]+' "${uri#mirror+file:}" ;; # cloud images keep a list in a file
      http://* | https://* | file:* | copy:*) echo "$uri" ;;
    esac
  done | awk '!seen[$0]++'
}

# fetch_all: every `fetch SOURCE SHA256` of the recipe, into the root file system's /tmp/fetched, under the file's name.
# SOURCE is npm:NAME@VERSION or pypi:NAME/FILE.
fetch_all() {
  local source hash url
  mkdir -p "$work/root/tmp/fetched"
  while read -r source hash; do
    case $source in
      npm:*@*) url=$(npm_url "${source#npm:}") ;;
      pypi:*/*) url=$(pypi_url "${source#pypi:}") ;;
      *) echo "error: unknown kind of source: $source" && return 1 ;;
    esac
    /usr/lib/apt/apt-helper -o Acquire::Retries=3 download-file "$url" "$work/root/tmp/fetched/${url##*/}" "SHA256:$hash"
  done < <(printf '%s\n' "${fetches[@]}")
}

# npm_url NAME@VERSION
npm_url() {
  local name=${1%@*} registry=${ROADSTEAD_NPM_REGISTRY:-}
  [[ -n $registry ]] || registry=$(sed -nE 's/^registry[[:space:]]*=[[:space:]]*//p' ~/.npmrc /etc/npmrc 2>/dev/null | head -n 1)
  registry=${registry:-https://registry.npmjs.org}
  echo "${registry%/}/$name/-/${name##*/}-${1##*@}.tgz"
}

# pypi_url NAME/FILE: the index knows where the file lies.
pypi_url() {
  local index=${PIP_INDEX_URL:-} href
  [[ -n $index ]] || index=$(sed -nE 's/^index-url[[:space:]]*=[[:space:]]*//p' ~/.config/pip/pip.conf ~/.pip/pip.conf /etc/pip.conf 2>/dev/null | head -n 1)
  index=${index:-https://pypi.org/simple}
  index=${index%/}/${1%/*}/
  /usr/lib/apt/apt-helper -o Acquire::Retries=3 download-file "$index" "$work/index" >&2
  href=$(grep -oE "href=\"[^\"#]*/${1##*/}" "$work/index" | head -n 1 | cut -c 7-)
  case $href in
    '') echo "error: $index does not list ${1##*/}" >&2 && return 1 ;;
    *://*) echo "$href" ;;
    /*) echo "$(grep -oE '^[a-z]+://[^/]+' <<<"$index")$href" ;;
    *) echo "$index$href" ;;
  esac
}
