#!/usr/bin/env bash
# Apache Kafka's Java clients against a broker of two log dirs that moves what they write: log_dirs.sh YEOUL KAFKA WORK
# KAFKA is the script of Apache Kafka's jars (KAFKA classpath), WORK an empty folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
yeoul=$1 kafka=$2 work=$3
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > "$work/server.properties" <<PROPERTIES
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port
log.dirs=$work/one,$work/two
log.segment.bytes=4000000
PROPERTIES
"$yeoul" kafka-server-start "$work/server.properties" > "$work/log" 2>&1 &
broker=$!
trap 'kill $broker; wait $broker || true' EXIT
until (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
  kill -0 $broker || { cat "$work/log"; exit 1; }
  sleep 0.1
done
java -Xmx256m -cp "$("$kafka" classpath)" "$here/LogDirs.java" "127.0.0.1:$port" "$work/one" "$work/two"
