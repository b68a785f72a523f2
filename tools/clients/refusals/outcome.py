"""What the refusals' scripts share: a feature is asked for, and must fail with an error within SECONDS that is no timeout."""
import logging, threading, time

SECONDS = 20
FEATURES = []
logging.disable(logging.CRITICAL)


def feature(name):
    def add(function):
        FEATURES.append((name, function))
        return function
    return add


def attempt(function):
    outcome = []

    def run():
        try:
            function()
            outcome.append(("ok", "nothing was refused"))
        except BaseException as error:
            wrong_call = isinstance(error, (AttributeError, TypeError, SystemError, NameError))
            outcome.append(("wrong call" if wrong_call else "error", f"{type(error).__name__}: {error}"))

    begun = time.monotonic()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS + 5)
    kind, text = outcome[0] if outcome else ("hangs", "no answer")
    return kind, " ".join(text.split()), time.monotonic() - begun


def main(client):
    failed = 0
    for name, function in FEATURES:
        kind, text, seconds = attempt(function)
        good = kind == "error" and seconds < SECONDS / 2
        failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {client}: {name} ({seconds:.1f} s): {text}", flush=True)
    return 1 if failed else 0
