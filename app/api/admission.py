"""Whether a request can be spoken, and where. Pure: what it must know of the world is passed in.

| provider (by its manifest) | `gpu` omitted        | `gpu: true`           | `gpu: false`                        |
|----------------------------|----------------------|-----------------------|-------------------------------------|
| on Kaggle, with GPU        | Kaggle               | Kaggle                | local, if a living worker can do it |
| on Kaggle, without GPU     | Kaggle, no GPU quota | same, with a warning  | local, if a living worker can do it |
| local only                 | local                | local, with a warning | local                               |

Where Kaggle is emulated, `emulator` stands for Kaggle, and a provider that needs a GPU is refused.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.api.schemas import SpeechRequest
from app.api.speaker import choose_model, choose_speaker
from app.shared.audio_formats import audio_format
from app.shared.errors import RequestRefused
from app.shared.job import MAX_SOURCE_BYTES, Priority, Speech, source_bytes
from app.shared.manifest import Language
from app.shared.provider import Provider
from app.shared.settings import Settings
from app.shared.voice import ClonedVoice

MAX_METADATA_BYTES = 16 * 1024
LOCAL = "local"
EMULATOR = "emulator"

_SOUNDING = ("L", "N", "So")
"""Unicode's letters, numbers and pictures: what a listener would miss. Nobody misses a comma, and "$5" is spoken."""

_NAMED_CHARACTERS = 5

_SURELY_FITTING = MAX_SOURCE_BYTES // 18
"""No character takes more than 18 bytes in a notebook."""


@dataclass(frozen=True)
class Admission:
    """The rules of this installation: `kaggle_host` is `kaggle` or `emulator`."""

    providers: Mapping[str, Provider]
    default: Provider
    kaggle_host: str
    max_text_chars: int
    emulator_runs_gpu_providers: bool = False

    @classmethod
    def of(cls, settings: Settings, providers: Mapping[str, Provider]) -> "Admission":
        """The rules that the settings and the manifests make."""
        preferred = ("qwen", "hibari") if settings.kaggle_mode == "real" else ("hibari",)
        names = [name for name in preferred if name in providers] or list(providers)
        return cls(
            providers,
            providers[names[0]],
            settings.kaggle_host,
            settings.max_text_chars,
            settings.emulator_runs_gpu_providers,
        )

    def provider(self, wanted: str | None) -> Provider:
        """The provider of this name, the default one for None. Raises RequestRefused, listing the valid ones."""
        if wanted is None:
            return self.default
        if wanted not in self.providers:
            names = list(self.providers)
            detail = f"there is no provider '{wanted}'; valid: {', '.join(names)}"
            raise RequestRefused("provider", detail, code="unknown_provider", valid=names)
        return self.providers[wanted]

    def admit(
        self, request: SpeechRequest, local_providers: Collection[str], cloned: ClonedVoice | None = None
    ) -> Speech:
        """The speech to be queued.

        `local_providers` are those that a living worker has the packages of; `cloned` is the caller's own voice that
        the request names, if it does. Raises RequestRefused, naming the field.
        """
        provider = self._provider_for(request, cloned)
        model = choose_model(request, provider, cloned)
        provider.check_options(request.options, model)
        speaker = choose_speaker(request, provider, model, cloned)
        language = provider.language(request.language, speaker.languages, speaker.label)
        audio_format(request.format)  # raises for one that there is not
        _check_seed(request.seed, provider)
        check_metadata(request.metadata)
        self._check_length(request.text, provider)
        host, warnings = self._place(request.gpu, provider, local_providers)
        return Speech(
            text=request.text,
            provider=provider.name,
            model=model.id,
            voice=speaker.voice,
            language=language.code,
            host=host,
            gpu=provider.gpu and host != LOCAL,
            format=request.format,
            seed=request.seed,
            options=request.options,
            priority=Priority(request.priority),
            estimated_seconds=provider.estimated_seconds(request.text, language, request.options),
            warnings=[*warnings, *_unspeakable(request.text, provider, language)],
            metadata=request.metadata,
            reference=speaker.reference,
        )

    def asks_workers(self, request: SpeechRequest, cloned: ClonedVoice | None = None) -> bool:
        """Whether `admit` will look at `local_providers`."""
        return (
            request.gpu is False
            or request.on_unavailable is not None
            or "kaggle" not in self._provider_for(request, cloned).hosts
        )

    def cloning_provider(self, wanted: str) -> Provider:
        """The provider of this name, which can clone a voice. Raises RequestRefused, listing those that can."""
        provider = self.provider(wanted)
        if not provider.cloning_models:
            valid = [one.name for one in self.providers.values() if one.cloning_models]
            detail = f"{wanted} cannot clone a voice; valid: {', '.join(valid) or 'none'}"
            raise RequestRefused("provider", detail, code="provider_cannot_clone", valid=valid)
        return provider

    def _provider_for(self, request: SpeechRequest, cloned: ClonedVoice | None) -> Provider:
        """The provider that the request names; without a name the one that its cloned voice was made for."""
        return self.provider(request.provider or (cloned.provider if cloned else None))

    def _check_length(self, text: str, provider: Provider) -> None:
        if not text.strip():
            raise RequestRefused("text", "the text is empty", code="text_empty")
        most = min(self.max_text_chars, provider.limits.max_text_characters)
        if len(text) > most:
            detail = f"the text has {len(text)} characters; {provider.name} takes at most {most}"
            raise RequestRefused("text", detail, code="text_too_long", characters=len(text), most=most)
        # Only what an installation allows beyond the default can be that large.
        if len(text) > _SURELY_FITTING and source_bytes(text) > MAX_SOURCE_BYTES:
            detail = "the text takes more room in a notebook than Kaggle has; signs and rare letters take the most"
            raise RequestRefused("text", detail, code="text_too_long", characters=len(text), most=_SURELY_FITTING)

    def _place(self, gpu: bool | None, provider: Provider, local_providers: Collection[str]) -> tuple[str, list[str]]:
        """The host, and what the caller should know about it."""
        if "kaggle" not in provider.hosts:
            self._check_local(provider, local_providers)
            return LOCAL, [self._local_only(provider)] if gpu else []
        if gpu is False:
            self._check_local(provider, local_providers)
            return LOCAL, []
        if not self._has_kaggle_for(provider):
            detail = (
                f"{provider.name} needs a GPU of Kaggle, and this service runs on an emulated Kaggle, which has none; "
                "give it Kaggle credentials, or take a provider without GPU"
            )
            if LOCAL in provider.hosts:
                detail += ', or say "gpu": false to use a GPU of the worker\'s own machine'
            raise RequestRefused("provider", detail, code="needs_kaggle")
        if gpu and not provider.gpu:
            return self.kaggle_host, [f"{provider.name} needs no GPU: it runs without one and uses no GPU quota."]
        return self.kaggle_host, []

    def _has_kaggle_for(self, provider: Provider) -> bool:
        """Whether the Kaggle of this installation can run it."""
        return not provider.gpu or self.kaggle_host != EMULATOR or self.emulator_runs_gpu_providers

    def _check_local(self, provider: Provider, local_providers: Collection[str]) -> None:
        if provider.name in local_providers:
            return
        on_kaggle = "kaggle" in provider.hosts
        if LOCAL not in provider.hosts:
            detail = f"{provider.name} runs on Kaggle only; leave out gpu"
            raise RequestRefused("gpu", detail, code="local_not_available")
        needs = f"Python can import {', '.join(provider.packages) or 'its packages'}"
        if provider.environment:
            needs += f" and {', '.join(provider.environment)} is set"
        if provider.install_command:
            needs += f" ({provider.install_command})"
        detail = (
            f"no running worker can speak with {provider.name} on its own machine; start `kavox serve` or `kavox "
            f"worker` where {needs}{', or leave out gpu' if on_kaggle and self._has_kaggle_for(provider) else ''}"
        )
        raise RequestRefused("gpu" if on_kaggle else "provider", detail, code="local_not_available")

    def _local_only(self, provider: Provider) -> str:
        # The order of the original system's sentence: its first GPU provider first.
        names = sorted(
            (one.name for one in self.providers.values() if one.gpu), key=lambda name: (name != "qwen", name)
        )
        return (
            f"Kaggle GPU deployment is only supported for {', '.join(names) or 'no'} providers. "
            f"Provider '{provider.name}' will run locally."
        )


def _check_seed(seed: int | None, provider: Provider) -> None:
    if seed is not None and not provider.seed:
        detail = f"{provider.name} cannot be given a seed"
        raise RequestRefused("seed", detail, code="unsupported_seed")


def check_metadata(metadata: Mapping[str, object]) -> None:
    """Raises RequestRefused for more than is kept."""
    if not metadata:
        return
    size = len(json.dumps(metadata, ensure_ascii=False).encode())
    if size > MAX_METADATA_BYTES:
        detail = f"the metadata takes {size} bytes; at most {MAX_METADATA_BYTES} are kept"
        raise RequestRefused("metadata", detail, code="metadata_too_large")


@lru_cache(maxsize=65536)
def _is_speakable(pattern: str, character: str) -> bool:
    return re.fullmatch(pattern, character) is not None


def _unspeakable(text: str, provider: Provider, language: Language) -> list[str]:
    """A warning if some characters will not be heard. Raises RequestRefused if none will."""
    characters = dict.fromkeys(text)
    speakable = {character for character in characters if _is_speakable(language.speakable, character)}
    if not speakable:
        detail = f"{provider.name} finds nothing to speak in this text in {language.title}"
        raise RequestRefused("text", detail, code="nothing_to_speak")
    lost = [one for one in characters if one not in speakable and unicodedata.category(one).startswith(_SOUNDING)]
    if not lost:
        return []
    more = f" and {len(lost) - _NAMED_CHARACTERS} more" if len(lost) > _NAMED_CHARACTERS else ""
    named = " ".join(lost[:_NAMED_CHARACTERS])
    return [f"{provider.name} cannot speak these characters in {language.title}: {named}{more}."]
