#!/usr/bin/env bash
# kcat (librdkafka) against a broker: kcat.sh BOOTSTRAP
set -euo pipefail
bootstrap=$1
topic=kcat-$RANDOM$RANDOM
kcat=$(command -v kcat || command -v kafkacat) || { echo "kcat.sh: kcat is missing (Debian: apt-get install kcat)" >&2; exit 1; }

for codec in none gzip snappy lz4 zstd; do
  seq 1 200 | sed "s/^/$codec /" | "$kcat" -q -b "$bootstrap" -P -t "$topic-$codec" -z "$codec"
  got=$("$kcat" -q -b "$bootstrap" -C -t "$topic-$codec" -o beginning -e | sort | md5sum)
  want=$(seq 1 200 | sed "s/^/$codec /" | sort | md5sum)
  [[ $got == "$want" ]] || { echo "FAIL $codec"; exit 1; }
  echo "ok   $codec"
done

echo "k1|v1" | "$kcat" -q -b "$bootstrap" -P -t "$topic-headers" -K '|' -H a=1 -H b=2
got=$("$kcat" -q -b "$bootstrap" -C -t "$topic-headers" -o beginning -e -f '%k %s %h\n')
[[ $got == "k1 v1 a=1,b=2" ]] || { echo "FAIL headers: $got"; exit 1; }
echo "ok   keys and headers"

"$kcat" -b "$bootstrap" -L | grep -q "topic \"$topic-zstd\"" || { echo "FAIL metadata"; exit 1; }
echo "ok   metadata"
