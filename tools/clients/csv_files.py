#!/usr/bin/env python3
"""Python's csv against DelimitedFileSource: csv_files.py YEOUL [SEED]. Random files, hostile ones among them, are imported by `yeoul server
--connector`, once typed by inference and once as strings; every cell must come back as Python reads it. Exit status 1 when one does not."""
import csv, io, json, os, random, re, signal, socket, subprocess, sys, tempfile
from decimal import Decimal, InvalidOperation

from confluent_kafka import Consumer, TopicPartition

YEOUL, SEED = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
RANDOM = random.Random(SEED)
FILES = 24
WORDS = ["a", "b c", '"', '""', ",", ";", "\n", "\r\n", "\r", "이름", "é", " ", "x" * 3000, "\t", "'", "\\", "#", "NA", "null"]
NUMBERS = ["0", "7", "-12", "007", "+4", "1.5", "1.50", "2.0", "1e5", "12E5", "1.0E10", "inf", "nan", "9007199254740993", "0.1", "-0",
           "21602730330000060100", "true", "TRUE", "2013-01-01T10:00:00Z", "2013-01-01 10:00:00", ""]


def cell():
    if RANDOM.random() < 0.4:
        return RANDOM.choice(NUMBERS)
    return "".join(RANDOM.choice(WORDS) for _ in range(RANDOM.randrange(5)))


def written(value, delimiter, last):
    """A cell as a careless program writes it: quoted where that is needed, a quotation mark inside it left as it is."""
    if value.startswith('"') or any(c in value for c in (delimiter, "\n", "\r")) or (last and value == "") or RANDOM.random() < 0.1:
        return '"' + value.replace('"', '""') + '"'
    return value


def table():
    """A file's text and how it is to be read."""
    delimiter, end = RANDOM.choice([",", ";", "\t", "|"]), RANDOM.choice(["\n", "\r\n", "\r"])
    columns = RANDOM.randrange(1, 6)
    kinds = [RANDOM.choice([NUMBERS[1:3], NUMBERS[5:6] + NUMBERS[0:3], ["true", "false"], NUMBERS, None]) for _ in range(columns)]
    out = io.StringIO(newline="")
    out.write(RANDOM.choice(["", "\ufeff"]))
    out.write(delimiter.join(f"c{n}" for n in range(columns)) + end)
    for _ in range(RANDOM.randrange(1, 40)):
        row = [RANDOM.choice(kind) if kind else cell() for kind in kinds]
        out.write(delimiter.join(written(value, delimiter, columns == 1) for value in row) + end)
        if RANDOM.random() < 0.1:
            out.write(end)
    return out.getvalue(), delimiter


def same(value, text):
    """Whether a JSON value, its numbers as they are written, is the cell."""
    if value is None or value is True or value is False:
        return text == {None: "", True: "true", False: "false"}[value]
    kind, shown = value if isinstance(value, tuple) else ("text", value)
    if kind == "text" or shown == text:
        return shown == text
    try:  # a DOUBLE may be written 21.0 for 21 and 1.0E10 for 10000000000.0, but not with fewer digits
        return Decimal(shown) == Decimal(text) and not re.match(r"[+]|-?0\d|.*[eE]|.*\.\d+0$|-0$", text)
    except InvalidOperation:
        return False


def read(bootstrap, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "csv", "enable.auto.commit": False})
    place = TopicPartition(topic, 0, 0)
    end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)[1]
    consumer.assign([place])
    rows = []
    while len(rows) < end:
        message = consumer.poll(20)
        assert message is not None and message.error() is None, message
        number = lambda kind: lambda text: (kind, text)
        rows.append(json.loads(message.value(), parse_int=number("int"), parse_float=number("float")))
    consumer.close()
    return rows


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def main():
    folder = tempfile.mkdtemp()
    files, arguments, port = [], [], free_port()
    for n in range(FILES):
        text, delimiter = table()
        path = os.path.join(folder, f"{n}.csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file, delimiter=delimiter, strict=True) if row]
        files.append((header, rows, text))
        for kind in ("typed", "strings"):
            settings = {"name": f"{kind}-{n}", "connector.class": "DelimitedFileSource", "files": path, "topic": f"{kind}-{n}",
                        "mode": "batch", "delimiter": {"\t": "TAB"}.get(delimiter, delimiter), "topic.creation.default.partitions": "1",
                        "value.converter": "JsonConverter", "value.converter.schemas.enable": "false"}
            if kind == "strings":
                settings["columns"] = ", ".join(f"{name} STRING" for name in header)
            config = os.path.join(folder, f"{kind}-{n}.json")
            with open(config, "w", encoding="utf-8") as file:
                json.dump(settings, file)
            arguments += ["--connector", config]
    server = subprocess.Popen([YEOUL, "server", "--data", os.path.join(folder, "data"), "--listen", f"127.0.0.1:{port}",
                               "--registry-listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    failed, done = [], 0
    try:
        while done < 2 * FILES:
            line = server.stdout.readline()
            assert line, "the server has ended"
            assert "FAILED" not in line, line
            done += " is done: " in line
        for n, (header, rows, text) in enumerate(files):
            for kind in ("typed", "strings"):
                found = read(f"127.0.0.1:{port}", f"{kind}-{n}")
                right = len(found) == len(rows) and all(
                    list(value) == header and all(same(value[name], cell) for name, cell in zip(header, row))
                    for value, row in zip(found, rows))
                if not right:
                    failed.append((kind, n, text, rows, found))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
    for kind, n, text, rows, found in failed[:3]:
        wrong = [(row, value) for row, value in zip(rows, found) if not all(same(v, c) for v, c in zip(value.values(), row))]
        print(f"FAIL {kind} {n}: {len(rows)} rows, {len(found)} records; first difference {wrong[:1]}\n{text[:400]!r}")
    print(f"{'FAIL' if failed else 'ok  '} {2 * FILES - len(failed)} of {2 * FILES} imports are what Python's csv reads (seed {SEED})")
    return 1 if failed else 0


sys.exit(main())
