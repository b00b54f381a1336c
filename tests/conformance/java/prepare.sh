#!/bin/bash
# prepare.sh VERSION DIR: builds this program in DIR with the SDK of that version; leaves DIR/run.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
version=$1 dir=$2

mkdir -p "$dir"
stamp=$(cat "$here"/src/conformance/*.java "$here/prepare.sh" | sha256sum)
[[ -x $dir/run && $(cat "$dir/stamp" 2>/dev/null) == "$stamp" ]] && exit
cat >"$dir/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.roadstead</groupId>
  <artifactId>conformance</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>com.aliyun</groupId><artifactId>agentbay-sdk</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
XML
mvn --batch-mode --quiet --file "$dir/pom.xml" dependency:copy-dependencies -DoutputDirectory="$dir/lib" -DincludeScope=runtime
rm -rf "$dir/classes"
javac -nowarn -encoding UTF-8 -d "$dir/classes" -cp "$dir/lib/*" "$here"/src/conformance/*.java
cat >"$dir/run" <<'RUN'
#!/bin/bash
dir=$(dirname "$(realpath "$0")")
exec java -Xmx4g -Dfile.encoding=UTF-8 -cp "$dir/classes:$dir/lib/*" conformance.Main "$@"
RUN
chmod +x "$dir/run"
echo "$stamp" >"$dir/stamp"
