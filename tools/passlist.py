#!/usr/bin/env python3
"""Holds a case runner's output against the list of the cases that pass.

    passlist.py LIST OUTPUT [--update]

OUTPUT has a line "ok   CASE" or "FAIL CASE" for each case. LIST has one line for each passing case: its place in the run and the head of the
SHA-256 of its text, so that the list holds no text of the cases themselves. A listed case that does not pass is an error; --update adds new ones.
"""
import hashlib, pathlib, sys


def outcomes(text):
    place = 0
    for line in text.splitlines():
        if line.startswith(("ok   ", "FAIL ")):
            place += 1
            case = line[5:].strip()
            yield f"{place:03} {hashlib.sha256(case.encode()).hexdigest()[:12]}", line.startswith("ok"), case


def main():
    path, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text()
    listed = set(path.read_text().splitlines()) if path.exists() else set()
    found = list(outcomes(output))
    passed = {key for key, ok, _ in found if ok}
    lost = [(key, case) for key, ok, case in found if key in listed and not ok]
    gone = listed - {key for key, _, _ in found}
    print(f"{path.stem}: {len(passed)} of {len(found)} cases pass, {len(listed)} are listed, {len(passed - listed)} pass and are not listed")
    for _, case in lost:
        print(f"  no longer passes: {case}")
    for key in sorted(gone):
        print(f"  listed, but not in the run: {key}")
    if lost or gone or not found:
        tail = output.splitlines()[-20:]
        print("\n".join("  | " + line for line in tail))
        return 1
    if "--update" in sys.argv:
        path.write_text("\n".join(sorted(listed | passed)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
