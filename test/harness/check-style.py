#!/usr/bin/env python3
"""The rules of the project that a machine can hold.  Prints "file:line: what" for each breach.

usage: check-style.py FOLDER_OF_THE_PROJECT
"""

import os
import re
import subprocess
import sys
from pathlib import Path

LAYERS = ["monitor", "source", "format", "api", "scan", "export", "pipeline", "scheduler", "gateway"]
EXTENSIONS = ["kafka"]  # of their own: they include what is installed with etl, and no layer
FOREIGN_LIBRARIES = {"curl": "source/http", "openssl": "source/http", "expat": "source/http", "yajl": "format", "pcre2": "format", "microhttpd": "gateway/program", "librdkafka": "kafka"}  # library: the folder with the one file
LONGEST_FILE = 900
LARGEST_CIRCLE = 3  # files that need each other
CLANG_FORMAT_MAJOR = 14

breaches = []


def breach(path, line, what):
    breaches.append((str(path), line, what))


def read(path):
    return path.read_text(encoding="utf-8")


def files(pattern):
    return sorted(path for path in Path(".").glob(pattern) if path.is_file())


def sources():
    return files("src/**/*.[ch]")


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def blank(match):
    """Takes a comment or string out of a text and leaves every line where it was."""
    return re.sub(r"[^\n]", " ", match.group())


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", blank, text, flags=re.S)


def without_strings(text):
    return re.sub(r'"(?:\\.|[^"\\\n])*"' r"|'(?:\\.|[^'\\\n])*'", blank, text)


# -- src: layers, libraries, versions, errors, sizes ---------------------------------------------


def includes(path):
    text = without_comments(read(path))
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)', text, flags=re.M):
        yield line_of(text, match.start()), match.group(1), match.group(2)


def layer_of(path):
    """The layer of src/LAYER/file or of "LAYER/file.h"; None for src itself."""
    parts = [part for part in Path(path).parts[:-1] if part != "src"]
    return parts[0] if parts else None


def check_layers():
    for path in sources():
        layer = layer_of(path)
        if layer is not None and layer not in LAYERS + EXTENSIONS:
            breach(path, 1, f"{layer} is no layer (those are {', '.join(LAYERS)})")
            continue
        for line, quote, name in includes(path):
            if quote == "<":
                continue
            if name.startswith("."):
                breach(path, line, f'"{name}": name it from src, as "layer/file.h"')
            check_layer_of_include(path, layer, line, name)


def check_layer_of_include(path, layer, line, name):
    other = layer_of(name)
    if other not in LAYERS:
        return
    if layer is None and path.suffix == ".h":
        breach(path, line, f"{path} is below all layers and includes {name}")
    elif layer in EXTENSIONS:
        breach(path, line, f"{path} is of another extension and includes {name}")
    elif layer is not None and LAYERS.index(other) > LAYERS.index(layer):
        breach(path, line, f"{layer} includes {name}, of a later layer")


def check_foreign_libraries():
    for library, folder in FOREIGN_LIBRARIES.items():
        users = {}
        for path in sources():
            for line, _, name in includes(path):
                if name == f"{library}.h" or name.startswith(f"{library}/"):
                    users.setdefault(path, line)
        for path, line in users.items():
            if path.parent != Path("src", folder):
                breach(path, line, f"<{library}/> is for one file of {folder}/ only")
            elif len(users) > 1:
                breach(path, line, f"<{library}/> is included in {len(users)} files")


def check_versions():
    """What depends on the major of PostgreSQL is in compat.h; the rest is written for the newest."""
    words = {
        "PG_VERSION_NUM": "belongs into compat.h",
        "PG_MAJORVERSION": "belongs into compat.h",
        "pg_attribute_noreturn": "is gone in 18: write pg_noreturn before the declaration",
    }
    for path in sources():
        if path == Path("src/compat.h"):
            continue
        text = without_comments(read(path))
        for match in re.finditer(r"\b(" + "|".join(words) + r")", text):
            breach(path, line_of(text, match.start()), f"{match.group()} {words[match.group()]}")


def call_at(text, opening):
    """The arguments of the call whose parenthesis opens there."""
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return text[opening : at + 1]
    return text[opening:]


def check_errors():
    reports = r"\b(?:ereport|ereport_domain|errsave|ereturn)\s*\("
    for path in sources():
        text = without_strings(without_comments(read(path)))
        for match in re.finditer(reports, text):
            call = call_at(text, match.end() - 1)
            harmless = re.match(r"\(\s*(?:DEBUG\d|LOG|LOG_SERVER_ONLY|INFO|NOTICE|WARNING)\s*,", call)
            if "errcode" not in call and not harmless:
                breach(path, line_of(text, match.start()), "an error without errcode")


def check_settings():
    """What another's code has SET is undone: AtEOXact_GUC(true) would keep it."""
    for path in sources():
        text = without_comments(read(path))
        for match in re.finditer(r"\bAtEOXact_GUC\s*\(\s*true", text):
            breach(path, line_of(text, match.start()), "AtEOXact_GUC(true keeps settings of code that may be another's")


def check_sizes():
    for path in sources():
        lines = len(read(path).splitlines())
        if lines > LONGEST_FILE:
            breach(path, lines, f"{lines} lines: more than {LONGEST_FILE} is more than one idea")


# -- src: what is there once ----------------------------------------------------------------------


def check_types():
    """The name of a type in a header is no other's, also where the two do not meet: a reader and a debugger do."""
    definition = r"\b(?:struct|union|enum)\s+(\w+)\s*\{|^typedef\b[^;{}]*?\b(\w+);|^\}\s*(\w+);"
    found = {}
    for path in sources():
        text = without_strings(without_comments(read(path)))
        for match in re.finditer(definition, text, flags=re.M):
            name = next(filter(None, match.groups()))
            if not re.match(r"typedef\s+(struct|union|enum)\s+(\w+)\s+\2;", match.group()):  # announces it
                found.setdefault(name, {}).setdefault(path, line_of(text, match.start()))
    for name, places in found.items():
        for path, line in places.items():
            others = [other for other in places if other != path]
            if path.suffix == ".h" and others:
                breach(path, line, f"{name} is also the name of a type in {others[0]}")


def check_includes_once():
    """But for headers without a guard: those are templates."""
    for path in sources():
        seen = set()
        for line, _, name in includes(path):
            header = Path("src") / name
            if name in seen and (not header.is_file() or "#ifndef" in read(header)):
                breach(path, line, f"{name} is included twice")
            seen.add(name)


# -- src: circles of files -----------------------------------------------------------------------


def uses_of_files():
    """For each pair of NAME.c and NAME.h the pairs that it includes, or calls functions of."""
    headers, code = {}, {}
    for path in sources():
        name = str(path.relative_to("src").with_suffix(""))
        if layer_of(path) is not None:
            headers.setdefault(name, "")
            (code if path.suffix == ".c" else headers)[name] = without_comments(read(path))
    homes = {function: name for name, text in code.items()
             for function in re.findall(r"^(Etl\w+)\(", text, flags=re.M)}
    uses = {}
    for name, header in headers.items():
        text = code.get(name, "")
        used = set(re.findall(r'^#include "(.+)\.h"', header + text, flags=re.M))
        used |= {homes.get(called) for called in re.findall(r"\b(Etl\w+)\s*\(", text)}
        uses[name] = (used & set(headers)) - {name}
    return uses


def reachable(uses, start):
    found, todo = set(), [start]
    while todo:
        for name in uses[todo.pop()] - found:
            found.add(name)
            todo.append(name)
    return found


def check_circles():
    uses = uses_of_files()
    reach = {name: reachable(uses, name) for name in uses}
    circles = {frozenset(other for other in reach[name] if name in reach[other]) for name in uses}
    for circle in circles:
        if len(circle) > LARGEST_CIRCLE:
            breach("src", 1, f"{len(circle)} files need each other: {', '.join(sorted(circle))}")


def check_exports():
    """What a header declares is used by other files than the one that defines it.  A header that is for tests says so."""
    bodies = {path: without_comments(read(path)) for path in sources()}
    tests = {path: without_comments(read(path)) for path in files("test/**/*.[ch]")}
    words = {path: set(re.findall(r"\w+", text)) for path, text in {**bodies, **tests}.items()}
    for header, text in bodies.items():
        if header.suffix != ".h":
            continue
        users = dict(bodies)
        if re.search(r"\bfor tests\b", read(header), flags=re.I):
            users.update(tests)
        for match in re.finditer(r"^extern\s[^;()]*?(\w+)\s*(?:\(|\[|;)", text, flags=re.M):
            name = match.group(1)
            if "PGDLLEXPORT" in match.group() or len(re.findall(rf"\b{name}\b", text)) > 1:
                continue  # the server calls it by its name, or an inline function of the header does
            definition = re.compile(rf"^(?:\w[\w\s*]*[\s*])?{name}\s*(?:\([^;]*?\)\s*\{{|\[|=|;)", flags=re.M)
            used = [path for path in users if path != header and name in words[path]]
            homes = [path for path in used if path.suffix == ".c" and definition.search(users[path])]
            if not set(used) - set(homes[:1]):
                breach(header, line_of(text, match.start()), f"nobody but its own file uses {name}")


# -- formatting ----------------------------------------------------------------------------------


def clang_format():
    """The program of the right major, or None after saying what was found instead."""
    found = []
    for program in (f"clang-format-{CLANG_FORMAT_MAJOR}", "clang-format"):
        try:
            answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        match = re.search(r"version (\d+)", answer.stdout)
        if match and int(match.group(1)) == CLANG_FORMAT_MAJOR:
            return program
        found.append(answer.stdout.strip())
    missing = f"the formatting of C needs clang-format {CLANG_FORMAT_MAJOR}; found: {', '.join(found) or 'none'}"
    if os.environ.get("CI") == "true":
        breach(Path(".clang-format"), 1, missing)
    else:
        print(f"skipped: {missing}")
    return None


def check_formatting():
    program = clang_format()
    if program is None:
        return
    paths = [str(path) for path in sources() + files("test/**/*.[ch]")]
    answer = subprocess.run([program, "--style=file", "--dry-run", *paths], capture_output=True, text=True, check=True)
    first = {}
    for path, line in re.findall(r"^(\S+):(\d+):\d+: warning:", answer.stderr, flags=re.M):
        first.setdefault(path, int(line))
    for path, line in first.items():
        breach(path, line, f"not as {program} would have it")


# -- tests: every file is run and compared -------------------------------------------------------


def check_expected(tests, suffix, outputs):
    """Each test has an output (or several: name_1.out is an alternative), each output a test."""
    names = {path.stem: path for path in files(f"{tests}/*{suffix}")}
    answered = set()
    for path in files(f"{outputs}/*.out"):
        name = path.stem if path.stem in names else re.sub(r"_\d$", "", path.stem)
        answered.add(name)
        if name not in names:
            breach(path, 1, f"no {tests}/{name}{suffix} makes this output")
    for name, path in names.items():
        if name not in answered:
            breach(path, 1, f"no {outputs}/{name}.out to compare with")


def check_tests_are_run():
    """The folders of tests hold nothing that the Makefile or the harness would pass over."""
    rules = {
        "sql": r"[a-z0-9_]+\.sql",
        "t": r"\d{3}_[a-z0-9_]+\.pl",
        "unit": r"[a-z0-9_]+_test\.c",
        "fuzz": r"[a-z0-9_]+\.c|corpus/[a-z0-9_]+/.+",
        "isolation": r"specs/[a-z0-9_]+\.spec|expected/[a-z0-9_]+\.out",
    }
    for folder, rule in rules.items():
        for path in files(f"test/{folder}/**/*"):
            if path.suffix != ".h" and not re.fullmatch(rule, "/".join(path.parts[2:])):
                breach(path, 1, f"nothing runs this: test/{folder} holds {rule}")


def check_modules():
    """test/modules/NAME has a Makefile that lists its tests, and an output for each of them."""
    for folder in sorted(path for path in Path(".").glob("test/modules/*") if path.is_dir()):
        makefile = folder / "Makefile"
        if not makefile.is_file():
            breach(folder, 1, "a module without Makefile: nothing builds or runs it")
            continue
        check_expected(f"{folder}/sql", ".sql", f"{folder}/expected")
        words = read(makefile).split()
        for path in files(f"{folder}/sql/*.sql"):
            if path.stem not in words:
                breach(path, 1, f"{makefile} does not run it")


def check_names_differ():
    """pg_regress would run sql/NAME.sql instead of test/sql/NAME.sql."""
    taken = {path.name for path in files("sql/*.sql")}
    for path in files("test/sql/*.sql"):
        if path.name in taken:
            breach(path, 1, f"sql/{path.name} has the same name")


def check_tests_can_fail():
    for path in files("test/t/*.pl") + files("test/perl/*.pm"):
        text = read(path)
        for match in re.finditer(r"\bok\(\s*1\s*,|\bpass\(\s*'", text):
            breach(path, line_of(text, match.start()), "a test that cannot fail")


# -- sql: what every function declares -----------------------------------------------------------

ROUTINE = r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|PROCEDURE)\s+([\w.@\"]+)"
COMMENT = r"\bCOMMENT\s+ON\s+(?:FUNCTION|PROCEDURE|ROUTINE)\s+([\w.@\"]+)"


def bare_sql(text):
    """Without comments, strings and bodies, whose text could look like a declaration."""
    return re.sub(r"--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|'(?:''|[^'])*'", blank, text, flags=re.S)


def check_routines():
    for path in files("sql/etl--*.sql") + files("src/*/etl_*--*.sql"):
        text = bare_sql(read(path))
        comments = [match.group(1) for match in re.finditer(COMMENT, text, flags=re.I)]
        for match in re.finditer(ROUTINE, text, flags=re.I):
            kind, name = match.group(1).upper(), match.group(2)
            line = line_of(text, match.start())
            declaration = text[match.start() : text.find(";", match.start())]
            if kind == "FUNCTION":
                check_declaration(path, line, name, declaration)
            if name in comments:
                comments.remove(name)  # each overload needs its own
            else:
                breach(path, line, f"{name} has no COMMENT ON {kind}")


def check_declaration(path, line, name, declaration):
    if not re.search(r"\b(?:IMMUTABLE|STABLE|VOLATILE)\b", declaration, flags=re.I):
        breach(path, line, f"{name} declares no volatility")
    if not re.search(r"\bPARALLEL\s+(?:SAFE|RESTRICTED|UNSAFE)\b", declaration, flags=re.I):
        breach(path, line, f"{name} does not declare PARALLEL")


# -- C and SQL: one list of columns --------------------------------------------------------------


def table_columns(sql, table):
    """The columns of CREATE TABLE, with their types."""
    body = re.search(r"CREATE TABLE " + re.escape(table) + r" \((.*?)\n\);", sql, flags=re.S)
    lines = re.findall(r"^\s+([a-z_]+) ([a-z]+)", body.group(1) if body else "", flags=re.M)
    return {name: kind for name, kind in lines if name not in ("PRIMARY", "CHECK", "UNIQUE")}


def check_same(path, what, ours, theirs):
    for name in sorted(ours ^ theirs):
        breach(path, 1, f"{name} is {'no' if name in ours else 'only a'} column of {what}")


def check_catalog_columns():
    """The counters of a run and the options of a pipeline: each list of C against the tables."""
    header, options = Path("src/pipeline/pipeline.h"), Path("src/pipeline/catalog/pipelines.c")
    counters = set(re.findall(r'COUNTER\((\w+), "', read(header)))
    members = set(re.findall(r"MEMBER\((\w+), ETL_SQL_", read(options)))
    for path in files("sql/etl--?.?.sql"):
        sql = read(path)
        for table in ("runs", "totals"):
            columns = table_columns(sql, f"etl_catalog.{table}")
            bigints = {name for name, kind in columns.items() if kind == "bigint"}
            others = {"id", "pipeline", "succeeded", "failed", "cancelled", "stopped", "crashed"}
            check_same(header, table, counters, bigints - others)
        check_same(options, "pipelines", members,
                   set(table_columns(sql, "etl_catalog.pipelines")) - {"created_at"})


def main():
    os.chdir(sys.argv[1])
    check_layers()
    check_foreign_libraries()
    check_versions()
    check_errors()
    check_settings()
    check_sizes()
    check_types()
    check_includes_once()
    check_circles()
    check_exports()
    check_formatting()
    check_expected("test/sql", ".sql", "expected")
    check_expected("test/isolation/specs", ".spec", "test/isolation/expected")
    check_tests_are_run()
    check_modules()
    check_names_differ()
    check_tests_can_fail()
    check_routines()
    check_catalog_columns()
    for path, line, what in sorted(breaches):
        print(f"{path}:{line}: {what}")
    print(f"check-style: {len(breaches)} breaches" if breaches else "check-style: ok")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
