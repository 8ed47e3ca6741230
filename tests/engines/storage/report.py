"""What the clients of the matrix tell its tests: a line of JSON for a warehouse."""
import contextlib
import json

MARK = "storage-matrix "


@contextlib.contextmanager
def report(warehouse):
    """Gives a list for one result, {table: rows}; prints it, or what went wrong."""
    out = []
    try:
        yield out
        print(MARK + json.dumps({"warehouse": warehouse, "tables": out[0]}), flush=True)
    except Exception as e:  # whatever it is, it is this warehouse's result
        told = f"{type(e).__name__}: {str(e)[:2000]}"
        causes = [line for line in str(e).splitlines() if line.startswith("Caused by")]
        print(MARK + json.dumps({"warehouse": warehouse, "error": "\n".join([told, *causes])}), flush=True)


def tables_of(what):
    """read:a,b"""
    return what.removeprefix("read:").split(",")


def read_all(read, what):
    """{table: rows} of read:a,b; of one that cannot be read what went wrong."""
    found = {}
    for name in tables_of(what):
        try:
            found[name] = read(name)
        except Exception as e:
            found[name] = f"{type(e).__name__}: {str(e)[:1000]}"
    return found


def reports(text):
    found = {}
    for line in text.splitlines():
        if line.startswith(MARK):
            one = json.loads(line.removeprefix(MARK))
            found[one["warehouse"]] = one
    return found
