"""Budgets of the package: files, functions, parameters, and a legend for every letter of a shape."""

from __future__ import annotations

import ast
import re

from tests.house import functions, parsed, place, sources

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 80
MAX_PARAMETERS = 7
SHAPED = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*_([A-Z]{1,6})")


def test_files_are_short() -> None:
    lines = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    long = {path: count for path, count in lines.items() if count > MAX_FILE_LINES}
    assert not long, f"files over {MAX_FILE_LINES} lines; divide them by what a reader looks for: {long}"


def test_functions_are_short() -> None:
    long = []
    for path in sources():
        for node in functions(path):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                long.append(f"{place(path, node)} {node.name}: {length} lines")
    assert not long, f"functions over {MAX_FUNCTION_LINES} lines:\n" + "\n".join(long)


def test_parameters_are_few() -> None:
    many = []
    for path in sources():
        for node in functions(path):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            names = [name for name in names if name not in ("self", "cls")]
            if len(names) > MAX_PARAMETERS:
                many.append(f"{place(path, node)} {node.name}({', '.join(names)})")
    assert not many, f"over {MAX_PARAMETERS} parameters; a frozen Config holds them better:\n" + "\n".join(many)


def test_every_shape_letter_is_in_the_legend_of_its_file() -> None:
    """A file that says `x_BTD` says in its docstring what B, T and D are."""
    unexplained = []
    for path in sources():
        tree = parsed(path)
        legend = set(re.findall(r"\b([A-Z])\b", ast.get_docstring(tree) or ""))
        unknown: dict[str, list[str]] = {}
        for node in ast.walk(tree):
            name = node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""
            if shape := SHAPED.fullmatch(name):
                for letter in set(shape[1]) - legend:
                    unknown.setdefault(letter, []).append(name)
        unexplained += [f"{place(path)}: {letter} (as in {names[0]})" for letter, names in sorted(unknown.items())]
    assert not unexplained, (
        'letters without a legend; add e.g. "Letters: B rows, T slots." to the docstring of the file:\n'
        + "\n".join(unexplained)
    )
