#!/usr/bin/env bash
# Our parsers of properties files, date-times, durations and lines of the console producer against Java's library and Kafka's:
# java_text.sh KAFKA [--record]
# KAFKA is the script that knows the class path (KAFKA classpath). Other inputs each time; --record writes the ones that `make test` knows.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); top=$(cd "$here/../.." && pwd)
kafka=$1
[[ -x $kafka ]] || { echo "java_text.sh: $kafka is not there; it knows where Apache Kafka's jars are" >&2; exit 1; }
facts() { java -Xmx256m -cp "$("$kafka" classpath)" "$here/JavaText.java" "$1"; }

if [[ ${2:-} == --record ]]; then
  facts 1 | grep -v '"kind":"lines"' >"$top/javatext/tests/facts/java.jsonl"
  facts 1 | grep '"kind":"lines"' >"$top/cli/src/tools/console/lines_facts.jsonl"
  exit
fi
file=$(mktemp); trap 'rm -f "$file"' EXIT
seed=$RANDOM$RANDOM
facts "$seed" >"$file"
(cd "$top" && export JAVATEXT_FACTS=$file && cargo test -q -p javatext --test facts && cargo test -q -p cli facts_of_kafka) ||
  { echo "FAIL with seed $seed"; exit 1; }
echo "ok   $(wc -l <"$file") texts of seed $seed mean what Java takes them for"
