#!/usr/bin/env python3
"""Checks the rules of the house. One line per finding, a count at the end, status 1 on findings.

    tools/lint.py [--cc gcc] [-- compiler flags]

Checks: include directions, headers stand alone, formatting, sizes, banned calls, opening comments.
Uses clang-format and pmccabe where they are installed and says so where they are not.
"""

import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

LINES_MAX = {".c": 600, ".h": 220}
TEST_LINES_MAX = {".c": 900, ".h": 400}  # tests hold tables of cases
COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
TEST_FUNCTION_LINES_MAX = 120
COMPLEXITY_MAX = 15  # pmccabe's modified count: a switch is one decision

# What each room may include: rooms, or single headers of them.
ROOM_MAY_INCLUDE = {
    "base": ["base/"],
    "iceberg": ["base/", "iceberg/"],
    "metastore": ["base/", "metastore/"],
    "storage": ["base/", "storage/"],
    "catalog": [
        "base/",
        "iceberg/",
        "catalog/",
        "metastore/metastore.h",
        "storage/file_io.h",
        "storage/file_stream.h",
        "storage/access.h",
        "storage/storage_options.h",
    ],
    "server": ["base/", "iceberg/", "metastore/", "storage/", "catalog/", "server/"],
}
BACKEND_HEADER = re.compile(r"(metastore/metastore_|storage/file_io_)\w+\.h$")
BACKEND_ROOMS = {"metastore", "storage"}  # a backend may include its own header
BACKEND_USER = "server/main.c"

# Libraries, and the files that may include their headers.
LIBRARY_USERS = [
    (re.compile(r"microhttpd"), re.compile(r"server/http_\w+\.[ch]$")),
    (
        re.compile(r"jansson|zlib"),
        re.compile(r"(iceberg|catalog|server)/|storage/file_io_webhdfs"),
    ),
    (re.compile(r"sqlite3|libpq|postgresql/"), re.compile(r"metastore/")),
    (re.compile(r"expat"), re.compile(r"base/xml\.c$")),
    (re.compile(r"curl/"), re.compile(r"(storage|server)/")),
    (re.compile(r"openssl/"), re.compile(r"(base|storage|server)/")),
]

# iceberg/ is pure: sockets, files and the clock are arguments there.
IMPURE_HEADER = re.compile(
    r"(unistd|fcntl|dirent|netdb|poll|time|sys/\w+|netinet/\w+|arpa/\w+)\.h$"
)

BANNED_CALL = re.compile(
    r"\b(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|gets"
    r"|localtime|gmtime|ctime|asctime|alloca|rand|srand)\s*\("
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
COMMENT_OR_LITERAL = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X
)


class Lint:
    def __init__(self, cc, flags):
        self.cc = cc
        self.flags = flags
        self.findings = []
        self.files = sorted(
            path.relative_to(ROOT)
            for room in [*ROOM_MAY_INCLUDE, "tests", "bench"]
            for path in (ROOT / room).rglob("*.[ch]")
        )

    def report(self, path, line, text):
        self.findings.append((str(path), line, text))

    def notice(self, text):
        print(f"lint: {text}", file=sys.stderr)

    def check_text(self, path):
        text = (ROOT / path).read_text(encoding="utf-8")
        lines = text.split("\n")
        if not text.startswith("/* "):
            self.report(path, 1, "opens without a comment that says what it is")
        if not text.endswith("\n"):
            self.report(path, len(lines), "does not end with a newline")
        line_count = len(lines) - 1
        lines_max = (TEST_LINES_MAX if path.parts[0] == "tests" else LINES_MAX)[path.suffix]
        if line_count > lines_max:
            self.report(path, 1, f"{line_count} lines, at most {lines_max}")
        # Tables (base/metric_rows.h) are exempt from the width, as they are from formatting.
        wide_allowed = False
        for number, line in enumerate(lines, 1):
            if "clang-format o" in line:
                wide_allowed = "clang-format off" in line
            if len(line) > COLUMNS_MAX and not wide_allowed:
                self.report(path, number, f"{len(line)} columns, at most {COLUMNS_MAX}")
        bare = COMMENT_OR_LITERAL.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
        for number, line in enumerate(bare.split("\n"), 1):
            for match in BANNED_CALL.finditer(line):
                self.report(path, number, f"calls {match.group(1)}, which is banned")
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match and match.group(1) == '"':
                self.check_own_include(path, number, match.group(2))
            elif match:
                self.check_system_include(path, number, match.group(2))

    def check_own_include(self, path, number, header):
        room = path.parts[0]
        if not (ROOT / header).is_file():
            self.report(path, number, f'"{header}" is not a path from the top of the project')
            return
        if room not in ROOM_MAY_INCLUDE:
            return
        allowed = ROOM_MAY_INCLUDE[room]
        rooms = tuple(rule for rule in allowed if rule.endswith("/"))
        if header not in allowed and not header.startswith(rooms):
            self.report(path, number, f"{room}/ may not include {header}")
        if header.endswith("_private.h") and not header.startswith(room + "/"):
            self.report(path, number, f"{header} is private to its room")
        if BACKEND_HEADER.match(header) and str(path) != BACKEND_USER and room not in BACKEND_ROOMS:
            self.report(path, number, f"only {BACKEND_USER} names a backend: {header}")

    def check_system_include(self, path, number, header):
        room = path.parts[0]
        if room not in ROOM_MAY_INCLUDE:
            return
        for library, users in LIBRARY_USERS:
            if library.match(header) and not users.match(str(path)):
                self.report(path, number, f"<{header}> is not for this file")
        if room == "iceberg" and IMPURE_HEADER.match(header):
            self.report(path, number, f"iceberg/ is pure and may not include <{header}>")

    def check_headers(self):
        def compile_alone(path):
            command = [self.cc, *self.flags, "-Werror", "-fsyntax-only", "-include", str(path)]
            command += ["-x", "c", "/dev/null"]
            return path, subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

        if not shutil.which(self.cc):
            self.notice(f"{self.cc} is not installed: headers not compiled")
            return
        # Test headers stand behind cmocka, which need not be installed.
        headers = [f for f in self.files if f.suffix == ".h" and f.parts[0] in ROOM_MAY_INCLUDE]
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            for path, result in pool.map(compile_alone, headers):
                if result.returncode != 0:
                    first = next((l for l in result.stderr.split("\n") if "error" in l), "")
                    self.report(path, 1, f"does not stand alone: {first.strip()}")

    def check_format(self):
        if not shutil.which("clang-format"):
            self.notice("clang-format is not installed: formatting not checked")
            return
        command = ["clang-format", "--dry-run", "-Werror", "--ferror-limit=0"]
        command += map(str, self.files)
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        first_lines = {}
        for match in re.finditer(r"^([^:\n]+):(\d+):\d+: error:", result.stderr, re.M):
            first_lines.setdefault(match.group(1), int(match.group(2)))
        for path, line in first_lines.items():
            self.report(path, line, "is not formatted: make format")
        if result.returncode != 0 and not first_lines:
            self.report(".clang-format", 1, result.stderr.strip().split("\n")[0])

    def check_functions(self):
        if not shutil.which("pmccabe"):
            self.notice("pmccabe is not installed: functions not measured")
            return
        sources = [str(f) for f in self.files if f.suffix == ".c"]
        result = subprocess.run(["pmccabe", *sources], cwd=ROOT, capture_output=True, text=True)
        for row in result.stdout.splitlines():
            match = re.match(r"(\d+)\t\d+\t\d+\t\d+\t(\d+)\t([^(]+)\((\d+)\): (\S+)", row)
            if not match:
                continue
            complexity, length = int(match.group(1)), int(match.group(2))
            path, line, name = match.group(3), int(match.group(4)), match.group(5)
            is_test = path.startswith("tests/")
            lines_max = TEST_FUNCTION_LINES_MAX if is_test else FUNCTION_LINES_MAX
            if length > lines_max:
                self.report(path, line, f"{name} has {length} lines, at most {lines_max}")
            if complexity > COMPLEXITY_MAX:
                limit = f"complexity {complexity}, at most {COMPLEXITY_MAX}"
                self.report(path, line, f"{name} has {limit}")

    def run(self):
        for path in self.files:
            self.check_text(path)
        self.check_headers()
        self.check_format()
        self.check_functions()
        for path, line, text in sorted(self.findings):
            print(f"{path}:{line}: {text}")
        print(f"lint: {len(self.files)} files, {len(self.findings)} findings")
        return 1 if self.findings else 0


def main():
    parser = argparse.ArgumentParser(description="Checks the rules of the house.")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("flags", nargs="*", help="compiler flags, after --")
    arguments = parser.parse_args()
    flags = arguments.flags or ["-I.", "-D_GNU_SOURCE", "-std=gnu11"]
    sys.exit(Lint(arguments.cc, flags).run())


if __name__ == "__main__":
    main()
