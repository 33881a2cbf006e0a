"""Installs the engines into the environment that runs this, with the very words of the manifests' `install`.

So what a person is told to type is what `make engines` does and what `make test-engines` tries.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONSTRAINTS = Path(__file__).with_name("constraints.txt")


def pip_install(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, env={**os.environ, "PIP_CONSTRAINT": str(CONSTRAINTS)})


def main() -> None:
    for manifest in sorted((ROOT / "notebooks").glob("*.toml")):
        for arguments in tomllib.loads(manifest.read_text(encoding="utf-8")).get("install", []):
            pip_install(*arguments.split())
    mend_torchaudio()
    pip_install("--editable", f"{ROOT}[all,bark]")
    pip_install("--requirement", str(Path(__file__).with_name("requirements.txt")))


def mend_torchaudio() -> None:
    """The index has torchaudio for CUDA alone. Beside a torch for CPUs its libraries cannot be loaded; without them it
    falls back to its parts in Python, which are all that the engines use."""
    if subprocess.run([sys.executable, "-c", "import torchaudio"], stderr=subprocess.DEVNULL, check=False).returncode:
        for library in Path(sys.prefix).glob("lib/python3*/site-packages/torchaudio/lib/*.so"):
            library.unlink()


if __name__ == "__main__":
    main()
