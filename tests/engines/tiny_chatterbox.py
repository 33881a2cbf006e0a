"""Tiny checkpoints with random weights that the real chatterbox-tts 0.1.7 loads and speaks with.

    python tiny_chatterbox.py DIRECTORY    makes DIRECTORY/chatterbox and DIRECTORY/chatterbox-turbo, 20 MB in all

The sizes of Chatterbox's networks are constants in its source, so whoever loads such a checkpoint must have called
`shrink()`. It changes sizes and nothing else: the package's own code runs, with its token ids, its 25 speech tokens a
second and its 24 kHz. `shrink_on_import()` calls it as soon as the package has been imported; from a `sitecustomize.py`
on PYTHONPATH it reaches processes whose code knows nothing of tests.

Random networks never stop speaking, and the multilingual model stops only where its attention has reached the end of
the text. So a few weights are not random: `_Channels` names the places in a hidden state that they use.

Needs the packages of `.venv-engines`; nothing but the standard library is imported before they are wanted.
"""

import functools
import importlib
import importlib.abc
import importlib.machinery
import inspect
import json
import math
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any

WIDTH = 32  # of T3's hidden states
HEADS = 16
HEAD_WIDTH = 8
LAYERS = 14  # the package listens to heads of the layers 9, 12 and 13
LISTENED_HEADS = ((9, 2), (12, 15), (13, 11))

FRAMES = 25
"""A clip of T3 ends after about so many speech tokens: one second."""

CONSTRUCTORS: dict[str, dict[str, dict[str, Any]]] = {
    "chatterbox.models.t3.modules.perceiver": {
        "Perceiver": {"pre_attention_query_size": WIDTH, "embedding_dim": WIDTH, "num_attn_heads": 2},
    },
    "chatterbox.models.s3gen.transformer.upsample_encoder": {
        "PreLookaheadLayer": {"channels": 16},
        "Upsample1D": {"channels": 16, "out_channels": 16},
        "UpsampleConformerEncoder": {
            "input_size": 16,
            "output_size": 16,
            "attention_heads": 2,
            "linear_units": 16,
            "num_blocks": 1,
        },
    },
    "chatterbox.models.s3gen.decoder": {
        "ConditionalDecoder": {
            "channels": [32],
            "attention_head_dim": 8,
            "n_blocks": 1,
            "num_mid_blocks": 1,
            "num_heads": 2,
        },
    },
    "chatterbox.models.s3gen.flow": {"CausalMaskedDiffWithXvec": {"input_size": 16}},
    "chatterbox.models.s3gen.xvector": {"CAMPPlus": {"growth_rate": 4, "bn_size": 2, "init_channels": 16}},
    "chatterbox.models.s3gen.hifigan": {"HiFTGenerator": {"base_channels": 32}},
    "chatterbox.models.s3gen.f0_predictor": {"ConvRNNF0Predictor": {"cond_channels": 16}},
}
"""Module → class → what its constructor is given instead of what the package gives."""


class _Channels(IntEnum):
    """The places in T3's hidden states with a meaning."""

    CONSTANT = 0  # the same in every state
    FRAME = 1  # grows with each speech token
    LETTER = 2  # grows with each text token


def shrink() -> None:
    """Makes the installed package build small networks, in this process."""
    from chatterbox.models.t3.llama_configs import LLAMA_CONFIGS
    from chatterbox.models.voice_encoder.config import VoiceEncConfig

    tokenizer = importlib.import_module("s3tokenizer.model_v2")

    LLAMA_CONFIGS["Llama_520M"] |= {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HEAD_WIDTH,
    }
    LLAMA_CONFIGS["GPT2_medium"] |= {
        "hidden_size": WIDTH,
        "n_embd": WIDTH,
        "n_layer": 2,
        "n_head": 2,
        "n_positions": 2048,
        "n_ctx": 2048,
        "vocab_size": 8,
    }
    VoiceEncConfig.ve_hidden_size = 8
    small = tokenizer.ModelConfig()
    small.n_audio_state, small.n_audio_head, small.n_audio_layer = 64, 1, 1
    _force(tokenizer.S3TokenizerV2, {"config": small})
    for module, classes in CONSTRUCTORS.items():
        for name, arguments in classes.items():
            _force(getattr(importlib.import_module(module), name), arguments)


def _force(cls: type, arguments: dict[str, Any]) -> None:
    construct: Callable[..., None] = cls.__init__  # type: ignore[misc]
    signature = inspect.signature(construct)

    @functools.wraps(construct)
    def constructor(*args: Any, **kwargs: Any) -> None:
        given = signature.bind(*args, **kwargs)
        given.arguments.update(arguments)
        construct(*given.args, **given.kwargs)

    cls.__init__ = constructor  # type: ignore[misc]


def shrink_on_import(then: Callable[[], None] = lambda: None) -> None:
    """Shrinks the package when it is imported, then calls `then`."""

    def prepare() -> None:
        shrink()
        then()

    sys.meta_path.insert(0, _Finder(prepare))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the package as Python would, and prepares it once it has been executed."""

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "chatterbox":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_prepare(module: ModuleType) -> None:
            execute(module)
            self._prepare()

        spec.loader.exec_module = execute_and_prepare  # type: ignore[method-assign]
        return spec


def make(directory: Path) -> Path:
    """Writes both checkpoints below `directory` and returns it."""
    shrink()
    import torch

    torch.manual_seed(7)
    _make_llama(directory / "chatterbox")
    _make_turbo(directory / "chatterbox-turbo")
    return directory


def _make_llama(folder: Path) -> None:
    """What ChatterboxTTS and ChatterboxMultilingualTTS load."""
    import torch
    from chatterbox.models.s3gen import S3Gen
    from chatterbox.models.t3.modules.t3_config import T3Config
    from chatterbox.models.voice_encoder import VoiceEncoder
    from chatterbox.mtl_tts import SUPPORTED_LANGUAGES
    from chatterbox.tts import Conditionals

    folder.mkdir(parents=True, exist_ok=True)
    for name, module in {"ve": VoiceEncoder(), "s3gen": S3Gen()}.items():
        _save(module, folder / f"{name}.safetensors")
        torch.save(_weights(module), folder / f"{name}.pt")
    _save(_speaker(T3Config.english_only()), folder / "t3_cfg.safetensors")
    _save(_speaker(T3Config.multilingual()), folder / "t3_mtl23ls_v2.safetensors")
    _letters([]).save(str(folder / "tokenizer.json"))
    strokes = [f"[cj_{letter}]" for letter in "abcdefghijklmnopqrstuvwxyz."]
    languages = [f"[{code}]" for code in SUPPORTED_LANGUAGES]
    _letters(strokes + languages).save(str(folder / "grapheme_mtl_merged_expanded_v1.json"))
    (folder / "Cangjie5_TC.json").write_text(json.dumps(["你\tonf", "好\tvnd"]), encoding="utf-8")
    _built_in_voice(Conditionals, prompt_tokens=150).save(folder / "conds.pt")


def _make_turbo(folder: Path) -> None:
    """What ChatterboxTurboTTS loads."""
    from chatterbox.models.s3gen import S3Gen
    from chatterbox.models.t3 import T3
    from chatterbox.models.t3.modules.t3_config import T3Config
    from chatterbox.models.voice_encoder import VoiceEncoder
    from chatterbox.tts_turbo import Conditionals
    from tokenizers.pre_tokenizers import ByteLevel

    folder.mkdir(parents=True, exist_ok=True)
    config = T3Config(text_tokens_dict_size=50276)  # this and the next lines as in ChatterboxTurboTTS.from_local
    config.llama_config_name = "GPT2_medium"
    config.speech_tokens_dict_size = 6563
    config.input_pos_emb = None
    config.speech_cond_prompt_len = 375
    config.use_perceiver_resampler = False
    config.emotion_adv = False
    speaker = T3(config)
    # It draws from the best 1000 tokens at temperature 0.8; the others' scores are all near 0.
    speaker.speech_head.bias.data[config.stop_speech_token] = 0.8 * math.log(1000 / FRAMES)
    _save(speaker, folder / "t3_turbo_v1.safetensors")
    _save(S3Gen(meanflow=True), folder / "s3gen_meanflow.safetensors")
    _save(VoiceEncoder(), folder / "ve.safetensors")

    end = "<|endoftext|>"
    vocabulary = {letter: number for number, letter in enumerate([*sorted(ByteLevel.alphabet()), end])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    tokenizer = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024}
    tokenizer |= dict.fromkeys(["bos_token", "eos_token", "unk_token"], end)
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    _built_in_voice(Conditionals, prompt_tokens=375).save(folder / "conds.pt")


def _speaker(config: Any) -> Any:
    """A T3 whose clips end after FRAMES speech tokens, or where the text ends if that is later."""
    import torch
    from chatterbox.models.t3 import T3

    speaker = T3(config)
    with torch.no_grad():
        embeddings = (speaker.text_emb, speaker.speech_emb, speaker.text_pos_emb.emb, speaker.speech_pos_emb.emb)
        for embedding in embeddings:
            embedding.weight.mul_(0.1)
            embedding.weight[:, list(_Channels)] = 0.0
        # One strong constant, so that the norms leave the two growing channels growing.
        for embedding in embeddings[2:]:
            embedding.weight[:, _Channels.CONSTANT] = 10.0
        letters, frames = (embedding.weight for embedding in embeddings[2:])
        letters[:, _Channels.LETTER] = 0.02 * torch.arange(len(letters))
        frames[:, _Channels.FRAME] = 0.1 * torch.arange(len(frames))

        # The end token's score rises above the others' at the frame FRAMES; the numbers that are no sound never win.
        head = speaker.speech_head.weight
        head.mul_(10.0)
        head[:, list(_Channels)] = 0.0
        head[config.start_speech_token :, :] = 0.0
        head[config.start_speech_token :, _Channels.CONSTANT] = -20.0
        head[config.stop_speech_token, _Channels.FRAME] = 40.0
        head[config.stop_speech_token, _Channels.CONSTANT] = -40.0 * 0.1 * FRAMES / 10.0

        # The heads that the multilingual model listens to look at the last letter. They do so in the one of their
        # dimensions that turns slowest with the distance, and the voice, which stands before the text, is no letter.
        voice = speaker.cond_enc
        voice.perceiver.pre_attention_query[..., _Channels.LETTER] = 0.0
        for layer in (voice.spkr_enc, voice.emotion_adv_fc, voice.perceiver.attn.proj_out):
            layer.weight[_Channels.LETTER] = 0.0
            if layer.bias is not None:
                layer.bias[_Channels.LETTER] = 0.0
        for depth, number in LISTENED_HEADS:
            attention = speaker.tfmr.layers[depth].self_attn
            row = number * HEAD_WIDTH + HEAD_WIDTH // 2 - 1
            for projection, channel in ((attention.q_proj, _Channels.CONSTANT), (attention.k_proj, _Channels.LETTER)):
                projection.weight[number * HEAD_WIDTH : (number + 1) * HEAD_WIDTH] = 0.0
                projection.weight[row, channel] = 10.0
    return speaker


def _letters(more: list[str]) -> Any:
    """A tokenizer with a token for each letter, and the numbers of the control tokens that T3 knows."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import BPE

    control = {"[STOP]": 0, "[UNK]": 1, "[SPACE]": 2, "[START]": 255}
    free = (number for number in range(3, 704) if number not in control.values())
    vocabulary = control | {token: next(free) for token in [*more, *map(chr, range(0x21, 0x180))]}
    tokenizer = Tokenizer(BPE(vocabulary, [], unk_token="[UNK]"))  # noqa: S106 a token of text, no secret
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in [*control, *more]])
    return tokenizer


def _built_in_voice(conditionals: type, prompt_tokens: int) -> Any:
    """A voice of two seconds, as conds.pt holds it."""
    import torch
    from chatterbox.models.t3.modules.cond_enc import T3Cond

    tokens = 50
    return conditionals(
        T3Cond(
            speaker_emb=torch.rand(1, 256),
            cond_prompt_speech_tokens=torch.randint(6561, (1, prompt_tokens)),
            emotion_adv=torch.full((1, 1, 1), 0.5),
        ),
        {
            "prompt_token": torch.randint(6561, (1, tokens)),
            "prompt_token_len": torch.tensor([tokens]),
            "prompt_feat": torch.randn(1, 2 * tokens, 80),
            "prompt_feat_len": None,
            "embedding": torch.randn(1, 192),
        },
    )


def _weights(module: Any) -> dict[str, Any]:
    """In half precision, for size; loading makes them whole again."""
    return {
        name: (value.half() if value.is_floating_point() else value).contiguous().clone()
        for name, value in module.state_dict().items()
    }


def _save(module: Any, path: Path) -> None:
    from safetensors.torch import save_file

    save_file(_weights(module), str(path))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
