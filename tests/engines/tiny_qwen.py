"""Tiny checkpoints with random weights that the real qwen-tts 0.1.1 loads and speaks noise with.

    python tiny_qwen.py DIRECTORY    makes DIRECTORY/Qwen3-TTS-12Hz-0.6B-CustomVoice and the other four, 14 MB in all

As in the released ones: the files and their places, the names of speakers and languages, the token ids, 16 code groups,
24 kHz and 1920 samples a frame. Small: every width and depth, and a text vocabulary of bytes. The end token is made so
likely that a clip ends by itself after a second or so.

Needs the packages of `.venv-engines`.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

CHECKPOINTS = {
    "Qwen3-TTS-12Hz-0.6B-CustomVoice": ("0b6", "custom_voice"),
    "Qwen3-TTS-12Hz-0.6B-Base": ("0b6", "base"),
    "Qwen3-TTS-12Hz-1.7B-CustomVoice": ("1b7", "custom_voice"),
    "Qwen3-TTS-12Hz-1.7B-VoiceDesign": ("1b7", "voice_design"),
    "Qwen3-TTS-12Hz-1.7B-Base": ("1b7", "base"),
}
SPEAKERS = {
    "aiden": 2861,
    "dylan": 2878,
    "eric": 2875,
    "ono_anna": 2873,
    "ryan": 3061,
    "serena": 3066,
    "sohee": 2864,
    "uncle_fu": 3010,
    "vivian": 3065,
}
DIALECTS = {"eric": "sichuan_dialect", "dylan": "beijing_dialect"}
LANGUAGES = {
    "english": 2050,
    "german": 2053,
    "spanish": 2054,
    "chinese": 2055,
    "japanese": 2058,
    "french": 2061,
    "sichuan_dialect": 2062,
    "korean": 2064,
    "russian": 2069,
    "italian": 2070,
    "portuguese": 2071,
    "beijing_dialect": 2074,
}
END_TOKEN = 2150
END_LIKELIHOOD = 24.0
"""Factor on the end token's row of the output layer: most clips end within 30 frames."""

WIDTH = 32
ATTENTION = {"num_attention_heads": 2, "head_dim": 16, "intermediate_size": 64}
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>")
WORDS = ("assistant", "user")
"""Words of the prompt that must be one token each: the engine cuts the prompt by counting tokens."""


def make(directory: Path) -> None:
    """Makes all five checkpoints."""
    import torch

    torch.manual_seed(0)
    vocabulary, merges = text_vocabulary()
    codec = directory / "codec"
    save_codec(codec)
    for name, (size, kind) in CHECKPOINTS.items():
        folder = directory / name
        save_talker(folder, size, kind, len(vocabulary))
        save_text_tokenizer(folder, vocabulary, merges)
        shutil.copytree(codec, folder / "speech_tokenizer")
    shutil.rmtree(codec)


def text_vocabulary() -> tuple[dict[str, int], list[str]]:
    """Every token with its id, the special ones last, and the merges that make the words of the prompt."""
    from transformers.models.qwen2.tokenization_qwen2 import bytes_to_unicode

    starts = [(word, end) for word in WORDS for end in range(2, len(word) + 1)]
    merges = [f"{word[: end - 1]} {word[end - 1]}" for word, end in starts]
    tokens = [*bytes_to_unicode().values(), *(word[:end] for word, end in starts), *SPECIAL_TOKENS]
    return {token: number for number, token in enumerate(tokens)}, merges


def save_text_tokenizer(folder: Path, vocabulary: dict[str, int], merges: list[str]) -> None:
    plain = {token: number for token, number in vocabulary.items() if token not in SPECIAL_TOKENS}
    flags = {"special": True, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    write(folder / "vocab.json", plain)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "processor_class": "Qwen3TTSProcessor",
            "pad_token": "<|endoftext|>",
            "eos_token": "<|im_end|>",
            "additional_special_tokens": SPECIAL_TOKENS[1:],
            "added_tokens_decoder": {vocabulary[token]: {"content": token, **flags} for token in SPECIAL_TOKENS},
        },
    )
    write(folder / "preprocessor_config.json", {"processor_class": "Qwen3TTSProcessor", "padding_side": "left"})


def save_talker(folder: Path, size: str, kind: str, text_tokens: int) -> None:
    """The network that turns text into codes, with its config and its settings."""
    import torch
    from qwen_tts.core.models import (
        Qwen3TTSConfig,
        Qwen3TTSForConditionalGeneration,
    )

    # In the released ones, too, the code predictor of 1.7B is narrower than its talker, and that of 0.6B is not.
    predictor = {"vocab_size": 256, "hidden_size": WIDTH if size == "0b6" else WIDTH // 2, "num_hidden_layers": 1}
    shared = {**ATTENTION, "num_key_value_heads": 1, "num_code_groups": 16, "rope_theta": 1_000_000}
    speaker_encoder = {
        "enc_dim": WIDTH,
        "enc_channels": [16, 16, 16, 16, 48],
        "enc_attention_channels": 8,
        "enc_res2net_scale": 4,
        "enc_se_channels": 8,
        "sample_rate": 24000,
    }
    speaks = kind == "custom_voice"
    special = {name: text_tokens - len(SPECIAL_TOKENS) + place for place, name in enumerate(SPECIAL_TOKENS)}
    config = Qwen3TTSConfig(
        architectures=["Qwen3TTSForConditionalGeneration"],
        tokenizer_type="qwen3_tts_tokenizer_12hz",
        tts_model_size=size,
        tts_model_type=kind,
        im_start_token_id=special["<|im_start|>"],
        im_end_token_id=special["<|im_end|>"],
        tts_pad_token_id=special["<tts_pad>"],
        tts_bos_token_id=special["<tts_text_bos>"],
        tts_eos_token_id=special["<tts_text_eod>"],
        speaker_encoder_config=speaker_encoder,
        talker_config={
            **shared,
            "code_predictor_config": {**shared, **predictor},
            "vocab_size": 3072,
            "text_vocab_size": text_tokens,
            "hidden_size": WIDTH,
            "text_hidden_size": WIDTH,
            "num_hidden_layers": 2,
            "rope_scaling": {"rope_type": "default", "interleaved": True, "mrope_section": [4, 2, 2]},
            "position_id_per_seconds": 13,
            "codec_pad_id": 2148,
            "codec_bos_id": 2149,
            "codec_eos_token_id": END_TOKEN,
            "codec_think_id": 2154,
            "codec_nothink_id": 2155,
            "codec_think_bos_id": 2156,
            "codec_think_eos_id": 2157,
            "codec_language_id": LANGUAGES,
            "spk_id": SPEAKERS if speaks else {},
            "spk_is_dialect": {name: DIALECTS.get(name, False) for name in SPEAKERS} if speaks else {},
        },
    )
    model = Qwen3TTSForConditionalGeneration(config)
    with torch.no_grad():
        model.talker.codec_head.weight[END_TOKEN] *= END_LIKELIHOOD
    model.save_pretrained(folder)

    # Saving adds keys to this part which the package then refuses to read.
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write(folder / "config.json", {**saved, "speaker_encoder_config": speaker_encoder})
    sampling = {"temperature": 0.9, "top_k": 50, "top_p": 1.0}
    subtalker = {f"subtalker_{name}": value for name, value in {"dosample": True, **sampling}.items()}
    settings = {"do_sample": True, "repetition_penalty": 1.05, "max_new_tokens": 8192, **sampling, **subtalker}
    write(folder / "generation_config.json", settings)


def save_codec(folder: Path) -> None:
    """The network that turns codes into sound and back: a Mimi encoder and a decoder of its own."""
    from qwen_tts.core import (
        Qwen3TTSTokenizerV2Config,
        Qwen3TTSTokenizerV2Model,
    )
    from transformers import EncodecFeatureExtractor

    shared = {
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "num_hidden_layers": 1,
        "intermediate_size": 32,
        "num_quantizers": 16,
        "num_semantic_quantizers": 1,
    }
    encoder = {
        "sampling_rate": 24000,
        "frame_rate": 12.5,
        "num_filters": 4,
        "hidden_size": WIDTH,
        "head_dim": 16,
        "upsampling_ratios": [8, 6, 5, 4],  # and twice more: 1920 samples a frame
        "upsample_groups": WIDTH,
        "codebook_size": 64,
        "codebook_dim": 16,
        "vector_quantization_hidden_dimension": 16,
        "use_causal_conv": True,
    }
    decoder = {
        "codebook_size": 2048,
        "codebook_dim": 8,
        "hidden_size": 16,
        "latent_dim": 16,
        "head_dim": 8,
        "decoder_dim": WIDTH,
        "upsample_rates": [8, 5, 4, 3],
        "upsampling_ratios": [2, 2],
        "sliding_window": 72,
    }
    config = Qwen3TTSTokenizerV2Config(
        architectures=["Qwen3TTSTokenizerV2Model"],
        encoder_config={**shared, **encoder},
        decoder_config={**shared, **decoder},
        encoder_valid_num_quantizers=16,
        input_sample_rate=24000,
        output_sample_rate=24000,
        encode_downsample_rate=1920,
        decode_upsample_rate=1920,
    )
    model = Qwen3TTSTokenizerV2Model(config).eval()
    make_audible(model.decoder)
    model.save_pretrained(folder)
    EncodecFeatureExtractor(sampling_rate=24000, return_attention_mask=True).save_pretrained(folder)


def make_audible(decoder: Any) -> None:
    """Random weights of the usual size would be next to silent: these give noise of a speaker's loudness."""
    import torch

    with torch.no_grad():
        for name, weights in decoder.named_parameters():
            if name.endswith("embedding_sum"):
                weights.normal_()
            elif weights.dim() == 3:
                weights.normal_(std=(weights.shape[1] * weights.shape[2]) ** -0.5)
        last = decoder.decoder[-1].conv
        last.bias.zero_()
        last.weight *= 1e-3  # far from where the decoder clips
        loudness = decoder(torch.randint(0, 256, (1, 16, 50))).std()
        last.weight *= 0.1 / loudness


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
