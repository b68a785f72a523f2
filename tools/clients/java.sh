#!/usr/bin/env bash
# Apache Kafka's own Java tools against a broker: java.sh BOOTSTRAP KAFKA DATA
# KAFKA is the script that runs a tool by its name (KAFKA tool NAME ARGS...), DATA the broker's data folder.
set -euo pipefail
bootstrap=$1 kafka=$2 data=$3
[[ -x $kafka ]] || { echo "java.sh: $kafka is not there; it runs Apache Kafka's tools" >&2; exit 1; }
topic=java-$RANDOM$RANDOM

tool() { "$kafka" tool "$@"; }
expect() {  # WHAT EXPECTED GOT
  [[ $2 == "$3" ]] || { printf 'FAIL %s\n--- expected\n%s\n--- got\n%s\n' "$1" "$2" "$3"; exit 1; }
  echo "ok   $1"
}

expect "create" "Created topic $topic." "$(tool kafka-topics --create --topic "$topic" --partitions 2 --bootstrap-server "$bootstrap")"

for codec in none gzip snappy lz4 zstd; do
  seq 1 100 | sed "s/^/$codec:/" | tool kafka-console-producer --topic "$topic-$codec" --compression-codec "$codec" \
    --reader-property parse.key=true --reader-property key.separator=: --bootstrap-server "$bootstrap" 2>/dev/null
  expect "$codec" "$(seq 1 100)" "$(tool kafka-console-consumer --topic "$topic-$codec" --from-beginning --max-messages 100 \
    --bootstrap-server "$bootstrap" 2>/dev/null)"
  log=$data/$topic-$codec-0/00000000000000000000.log
  expect "$codec: the dump tool reads the log" 100 "$(tool kafka-dump-log --deep-iteration --print-data-log --files "$log" | grep -c 'payload: ')"
done
expect "no batch is invalid" 0 "$(tool kafka-dump-log --files "$data/$topic-zstd-0/00000000000000000000.log" | grep -c 'isvalid: false' || true)"
for kind in index timeindex; do
  tool kafka-dump-log --index-sanity-check --files "$data/$topic-none-0/00000000000000000000.$kind" | grep -q 'passed sanity check' ||
    { echo "FAIL the dump tool finds the $kind wrong"; exit 1; }
  echo "ok   the $kind passes the sanity check"
done

tool kafka-configs --bootstrap-server "$bootstrap" --topic "$topic" --alter --add-config retention.ms=86400000 >/dev/null
tool kafka-configs --bootstrap-server "$bootstrap" --topic "$topic" --describe | grep -q retention.ms=86400000 || { echo "FAIL configs"; exit 1; }
echo "ok   configs"

tool kafka-console-consumer --topic "$topic-none" --from-beginning --timeout-ms 4000 --group "$topic" --bootstrap-server "$bootstrap" >/dev/null 2>&1 || true
tool kafka-consumer-groups --bootstrap-server "$bootstrap" --describe --group "$topic" 2>/dev/null | grep -Eq "$topic-none +0 +100 +100 +0" ||
  { echo "FAIL consumer groups"; exit 1; }
echo "ok   consumer groups"
tool kafka-producer-perf-test --topic "$topic" --num-records 20000 --record-size 100 --throughput -1 --bootstrap-server "$bootstrap" | tail -n 1
