"""The house keeps its walls: who imports whom, how long a file is, what an import may load (docs/architecture.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 300
MAX_FUNCTION_LINES = 40

# What each room may import of ours, besides itself.
ALLOWED = {
    "posecore": set(),
    "backbones": {"posecore"},
    "pose2d": {"posecore", "backbones"},
    "lift3d": {"posecore", "backbones"},
    "fitting": {"posecore"},
    "training": {"posecore", "backbones", "pose2d", "lift3d"},
    "apps": {"posecore", "backbones", "pose2d", "lift3d", "fitting", "training"},
}
OUTSIDE = {"examples", "benchmarks", "tests"}  # may import every room; no room imports them
OURS = set(ALLOWED) | OUTSIDE
TORCH_FREE_ROOMS = ("posecore", "fitting")


def product_files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported_rooms(source: str, own_package: str) -> dict[str, int]:
    """Our rooms that a module imports, anywhere in the file, with the line of the first import."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [own_package if node.level else node.module or ""]
        else:
            continue
        for room in (name.split(".")[0] for name in names):
            if room in OURS:
                found.setdefault(room, node.lineno)
    return found


def top_level_imports(source: str) -> set[str]:
    """Packages imported when the module is imported: everything outside functions and `if TYPE_CHECKING`."""
    names: set[str] = set()
    stack: list[ast.AST] = [ast.parse(source)]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
        stack += ast.iter_child_nodes(node)
    return names


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_room_imports_only_what_it_may(room: str) -> None:
    may = ALLOWED[room] | {room}
    others = ", ".join(sorted(ALLOWED[room])) or "no other room"
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {other}; {room} may import {others}"
        for path in product_files(room)
        for other, line in imported_rooms(path.read_text(encoding="utf-8"), room).items()
        if other not in may
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import training.data as d", {"training"}),
        ("def f():\n    from apps.video3d import main", {"apps"}),
        ("from . import codec", {"fitting"}),
        ("import numpy\nfrom torch import nn", set()),
    ],
)
def test_the_reader_of_imports_sees_them(source: str, rooms: set[str]) -> None:
    assert set(imported_rooms(source, "fitting")) == rooms


def test_files_and_functions_are_short() -> None:
    wrong = []
    for path in [p for room in (*ALLOWED, "examples", "benchmarks") for p in product_files(room)]:
        source = path.read_text(encoding="utf-8")
        lines = source.count("\n") + 1
        if lines > MAX_LINES + 1:
            wrong.append(f"{path.relative_to(ROOT)}: {lines} lines, at most {MAX_LINES}")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES + len(
                (ast.get_docstring(node) or "").splitlines()
            ):
                wrong.append(
                    f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: more than {MAX_FUNCTION_LINES} lines of code"
                )
    assert not wrong, "\n".join(wrong)


def test_open3d_is_imported_only_by_the_viewer_and_only_when_used() -> None:
    for path in [p for room in ALLOWED for p in product_files(room)]:
        source = path.read_text(encoding="utf-8")
        assert "open3d" not in top_level_imports(source), f"{path.relative_to(ROOT)} imports open3d when it is imported"
        if any("open3d" in ast.unparse(n) for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import | ast.ImportFrom)):
            assert path.name.startswith("viewer"), f"{path.relative_to(ROOT)} imports open3d; only apps/viewer*.py may"


def loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after running the code."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_posecore_and_fitting_load_no_torch() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for room in TORCH_FREE_ROOMS
        for path in product_files(room)
    ]
    loaded = loaded_by("\n".join(f"import {name}" for name in modules))
    assert not loaded & {"torch", "open3d"}, f"importing {', '.join(TORCH_FREE_ROOMS)} loaded {loaded & {'torch', 'open3d'}}"
    assert "numpy" in loaded


@pytest.mark.parametrize("app", [p.name for p in product_files("apps") if "__main__" in p.read_text(encoding="utf-8")])
def test_help_is_instant_and_works_from_any_folder(app: str, tmp_path: Path) -> None:
    """`python apps/x.py --help` from elsewhere, with torch and open3d made impossible to import."""
    for heavy in ("torch", "open3d"):
        (tmp_path / f"{heavy}.py").write_text(f"raise SystemExit('{heavy} was imported')")
    done = subprocess.run(
        [sys.executable, str(ROOT / "apps" / app), "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "usage" in done.stdout
