"""What the clients of the matrix tell its tests: a line of JSON for a warehouse."""
import contextlib
import json
import traceback

MARK = "storage-matrix "


@contextlib.contextmanager
def report(warehouse):
    """Gives a list for one result, {table: rows}; prints it, or what went wrong."""
    out = []
    try:
        yield out
        print(MARK + json.dumps({"warehouse": warehouse, "tables": out[0]}), flush=True)
    except Exception:  # whatever it is, it is this warehouse's result
        print(MARK + json.dumps({"warehouse": warehouse, "error": traceback.format_exc()[-3000:]}), flush=True)


def tables_of(what):
    """read:a,b"""
    return what.removeprefix("read:").split(",")


def reports(text):
    found = {}
    for line in text.splitlines():
        if line.startswith(MARK):
            one = json.loads(line.removeprefix(MARK))
            found[one["warehouse"]] = one
    return found
