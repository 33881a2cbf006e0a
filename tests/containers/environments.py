"""Environments as the images have them: the packages of some extras, taken from our own environment, and no other."""

import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.containers.dockerfile import ROOT


def packages(extras: set[str]) -> set[str]:
    """The names of all that `kavox[extras]` needs, kavox itself included."""
    found: dict[str, set[str]] = {}
    wanted = [("kavox", extras)]
    while wanted:
        name, chosen = wanted.pop()
        if name in found and chosen <= found[name]:
            continue
        found[name] = found.get(name, set()) | chosen
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *found[name]}):
                wanted.append((canonicalize_name(needed.name), set(needed.extras)))
    return set(found)


def environment(folder: Path, extras: set[str]) -> Path:
    """The interpreter of an environment below `folder` that has these packages alone."""
    venv.create(folder, symlinks=True)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for name in packages(extras):
        installed = distribution(name)
        # Scripts and the like lie outside of site-packages.
        for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
            if not top.endswith(".pth") and not (site / top).exists():
                (site / top).symlink_to(Path(str(installed.locate_file(top))))
    # Kavox is installed here by its folder.
    (site / "kavox.pth").write_text(f"{ROOT}\n")
    return folder / "bin" / "python"
