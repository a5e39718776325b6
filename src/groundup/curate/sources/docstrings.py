"""The docstrings of a Python file as one readable text, taken from its syntax tree: nothing of it is run."""

import ast
import gc
import inspect
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_INDENT = "    "
_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_ATTACHERS = frozenset({"add_docstr", "_add_docstr", "add_docstr_all", "add_newdoc", "add_newdoc_for_scalar_type"})
"""The functions by which numpy and torch give docstrings to what is written in C."""


class NotPythonError(ValueError):
    """The file has no syntax tree in this version of Python."""


def module_docs(code: bytes) -> str:
    """Return the module's docstring and those of its classes, functions and methods under their signatures, in source order.

    Docstrings that numpy and torch attach by calls with literal text are taken as well. Functions inside functions are not.
    Empty if there are none. Raises NotPythonError.
    """
    tree = _parse(code)
    return "\n\n".join(_parts(tree, tree.body))


def literal_texts(code: bytes, name: str) -> dict[str, str]:
    """Return the dictionary of texts that the module assigns to `name` as a literal; empty if there is none.

    Raises NotPythonError.
    """
    for statement in _parse(code).body:
        if isinstance(statement, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in statement.targets):
            try:
                value = ast.literal_eval(statement.value)
            except ValueError:
                continue
            if isinstance(value, dict):
                return {str(key): text for key, text in value.items() if isinstance(text, str)}
    return {}


def _parse(code: bytes) -> ast.Module:
    with warnings.catch_warnings(), _no_cyclic_collection():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise NotPythonError(str(error)) from None


@contextmanager
def _no_cyclic_collection() -> Iterator[None]:
    """Keep the collector from walking the growing tree again and again, which is two thirds of the time; trees have no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _parts(owner: ast.Module | ast.ClassDef, body: Sequence[ast.stmt]) -> list[str]:
    own = ast.get_docstring(owner)
    return ([own] if own else []) + list(_inner_parts(body))


def _inner_parts(body: Sequence[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.ClassDef():
                parts = _parts(statement, statement.body)
                if parts:
                    yield _under(_class_line(statement), "\n\n".join(parts))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                own = ast.get_docstring(statement)
                if own:
                    yield _under(_function_line(statement), own)
            case ast.If() | ast.Try() | ast.With():
                yield from _inner_parts(_nested_body(statement))
            case ast.Expr(value=ast.Call() as call) | ast.Assign(value=ast.Call() as call):
                yield from _attached(call)
            case _:
                pass


def _nested_body(statement: ast.If | ast.Try | ast.With) -> list[ast.stmt]:
    body = list(statement.body)
    if isinstance(statement, ast.Try):
        body += [inner for handler in statement.handlers for inner in handler.body]
    return body if isinstance(statement, ast.With) else body + statement.orelse


def _under(line: str, text: str) -> str:
    return "\n".join([line, *(_INDENT + inner if inner else "" for inner in text.split("\n"))])


def _class_line(node: ast.ClassDef) -> str:
    bases = ", ".join(ast.unparse(base) for base in [*node.bases, *node.keywords])
    return f"class {node.name}({bases}):" if bases else f"class {node.name}:"


def _function_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    start = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{start} {node.name}({ast.unparse(node.args)}){returns}:"


def _attached(call: ast.Call) -> Iterator[str]:
    """Yield the docstring that a call like add_docstr(torch.abs, "...") or add_newdoc("numpy", "ndarray", ("T", "...")) gives."""
    name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name not in _ATTACHERS or len(call.args) < 2:
        return
    *path, last = call.args
    if isinstance(last, ast.Tuple | ast.List) and len(last.elts) == 2:
        path, last = [*path, last.elts[0]], last.elts[1]
    text = _literal(last)
    if text and text.strip():
        title = ".".join(_literal(part) or ast.unparse(part) for part in path)
        yield _under(f"{title}:", inspect.cleandoc(text))


def _literal(node: ast.expr) -> str | None:
    """Return text written out in the code; pieces added up are joined, and {names} for str.format are left as they stand."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            pieces = (_literal(left), _literal(right))
            return "".join(piece or "" for piece in pieces) if any(pieces) else None
        case ast.Call(func=ast.Attribute(value=template, attr="format")):
            pattern = _literal(template)
            return pattern.replace("{{", "{").replace("}}", "}") if pattern else None
        case _:
            return None
