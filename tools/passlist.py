#!/usr/bin/env python3
"""Holds the output of a case runner against the list of the cases that pass.

    passlist.py LIST OUTPUT [OUTPUT ...] [--update]

OUTPUT has a line "ok   CASE" or "FAIL CASE" for each case; of several runs of the same cases, a case passes where it passes in each. LIST has
a line for each case that passes: its place in the run and the head of the SHA-256 of its text, so that it holds no text of the cases
themselves. A listed case that does not pass is an error; --update adds those that newly pass. A line "- PLACE HASH REASON" leaves a case out
for good: it may pass or not. Lines that begin with # are passed over.
"""
import hashlib, pathlib, sys


def outcomes(text):
    """Of each case its key, its text and whether it passed."""
    lines = [line for line in text.splitlines() if line.startswith(("ok   ", "FAIL "))]
    for place, line in enumerate(lines, 1):
        case = line[5:].strip()
        yield f"{place:03} {hashlib.sha256(case.encode()).hexdigest()[:12]}", case, line.startswith("ok")


def read(path):
    """The keys of the cases that must pass, and the lines of the file that are something else."""
    lines = path.read_text().splitlines() if path.exists() else []
    others = [line for line in lines if not line.strip() or line[0] in "#-"]
    return {line.strip() for line in lines if line not in others}, others


def left_out(others):
    return {" ".join(line.split()[1:3]) for line in others if line.startswith("-")}


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--update"]
    if len(arguments) < 2:
        sys.exit(__doc__)
    path, runs = pathlib.Path(arguments[0]), [list(outcomes(pathlib.Path(name).read_text())) for name in arguments[1:]]
    listed, others = read(path)
    known = {key: case for run in runs for key, case, _ in run}
    passed = set.intersection(*({key for key, _, ok in run if ok} for run in runs))
    new = passed - listed - left_out(others)
    lost = sorted(listed - passed)
    print(f"{path.stem}: {len(passed)} of {len(known)} cases pass, {len(listed)} are listed, {len(new)} pass and are not listed")
    for key in lost:
        print(f"  no longer passes: {known[key]}" if key in known else f"  listed, but not in the run: {key}")
    if not known:
        print("  the run answered no case")
    if lost or not known:
        for name in arguments[1:]:
            print("\n".join(f"  | {line}" for line in pathlib.Path(name).read_text().splitlines()[-20:]))
        return 1
    if "--update" in sys.argv and new:
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([*others, *sorted(listed | new)]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
