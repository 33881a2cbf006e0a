"""What every push to Kaggle has in common: `notebooks/kernel-metadata.json`."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app.shared.errors import ConfigurationError


class KernelMetadata(BaseModel):
    """The common part of a push; whether it takes a GPU stands in the provider's manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Literal["python"]
    kernel_type: Literal["notebook"]
    # Nothing else is allowed: callers' texts are in the notebooks.
    is_private: Literal[True]
    enable_internet: bool


def load_kernel_metadata(notebooks: Path) -> KernelMetadata:
    """Raises ConfigurationError with one line for what is wrong in the file."""
    path = notebooks / "kernel-metadata.json"
    try:
        return KernelMetadata.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigurationError(f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
