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

holds() {  # WHAT PATTERN TEXT
  grep -Eq -- "$2" <<<"$3" || { printf 'FAIL %s\n--- no line like %s in\n%s\n' "$1" "$2" "$3"; exit 1; }
  echo "ok   $1"
}

# Enough batches for entries in the index files of a running broker; what is in them is held against the log, too.
holds "the producer's speed is measured" '^20000 records sent' "$(tool kafka-producer-perf-test --topic "$topic-many" --num-records 20000 --record-size 1000 \
  --throughput -1 --bootstrap-server "$bootstrap")"
for kind in index timeindex; do
  index=$data/$topic-many-0/00000000000000000000.$kind
  holds "the $kind passes the sanity check" 'passed sanity check' "$(tool kafka-dump-log --index-sanity-check --files "$index")"
  expect "the $kind agrees with the log" 0 "$(tool kafka-dump-log --files "$index" 2>&1 | grep -ciE 'mismatch|not found|out of order|error' || true)"
done

tool kafka-configs --bootstrap-server "$bootstrap" --topic "$topic" --alter --add-config retention.ms=86400000 >/dev/null
holds "configs" 'retention.ms=86400000' "$(tool kafka-configs --bootstrap-server "$bootstrap" --topic "$topic" --describe)"

tool kafka-console-consumer --topic "$topic-none" --from-beginning --timeout-ms 4000 --group "$topic" --bootstrap-server "$bootstrap" >/dev/null 2>&1 || true
holds "consumer groups" "$topic-none +0 +100 +100 +0" "$(tool kafka-consumer-groups --bootstrap-server "$bootstrap" --describe --group "$topic" 2>/dev/null)"
