"""The rules of who may import whom, held against the source itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    for folder in ("app", "workers")
    for path in (ROOT / folder).rglob("*.py")
)

# Who may import what of ours. The first prefix that fits a module counts.
ALLOWED = [
    ("app.shared", ("app.shared",)),
    ("app.api", ("app.api", "app.shared")),
    ("app", ("app",)),
    ("workers.emulator", ("workers.emulator",)),
    ("workers", ("workers", "app.shared")),
]

# The only modules that may import a library. The emulator stands outside, except that it must not use Kaggle's client.
FENCES = {
    "kagglesdk": {"workers.kaggle", "workers.kaggle_client", "workers.kaggle_datasets", "workers.kaggle_quota"},
    "kaggle": set(),
    "nbformat": {"workers.notebook"},
    "rq": {"app.shared.job_queue", "workers.main", "workers.tasks"},
    "obstore": {"app.shared.audio_store"},
    "limits": {"app.shared.rates"},
    "standardwebhooks": {"workers.couriers"},
}


def imports_of(module: str) -> Iterator[str]:
    path = ROOT / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written out in full"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_what_its_place_allows(module: str) -> None:
    """Imports of our own packages go one way."""
    allowed = next(targets for prefix, targets in ALLOWED if below(module, prefix))
    ours = [name for name in imports_of(module) if below(name, "app") or below(name, "workers")]
    # `from app import shared` names the package first and then its part; only the part counts.
    wrong = [name for name in ours if not any(below(name, target) or below(target, name) for target in allowed)]
    assert not wrong, f"{module} imports {wrong}"


@pytest.mark.parametrize("module", MODULES)
def test_module_keeps_the_fences_around_libraries(module: str) -> None:
    """A library that stands for one concern is imported in one place."""
    for library, homes in FENCES.items():
        if module in homes or (below(module, "workers.emulator") and library in {"nbformat"}):
            continue
        assert not [name for name in imports_of(module) if below(name, library)], f"{module} imports {library}"


def test_only_the_application_imports_the_http_face() -> None:
    """Nothing but app.main and app.api itself knows the HTTP layer."""
    users = {module for module in MODULES for name in imports_of(module) if below(name, "app.api")}
    assert {user for user in users if not below(user, "app.api")} == {"app.main"}


def test_only_settings_reads_the_environment() -> None:
    """Settings come in through one door; Kaggle's credentials through another, and processes pass theirs on."""
    outside = [module for module in MODULES if not below(module, "workers.emulator")]
    readers = {module for module in outside if "os.environ" in _source(module)}
    # These pass it on to what they start, or look whether a notebook's own variables are there.
    passing_on = {"app.programs", "workers.local", "workers.local_runner", "workers.runtime"}
    assert readers == {"app.shared.settings", "app.shared.kaggle_credentials"} | passing_on


def _source(module: str) -> str:
    path = ROOT / Path(*module.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
