"""A tiny checkpoint with random weights that the real BarkModel of transformers loads and makes noise with.

    python tiny_bark.py DIRECTORY    makes DIRECTORY/hub, a Hugging Face cache that holds suno/bark-small

As in the released one: the files and their places, vocabularies, token ids, code books, two voice presets, 24 kHz.
Small: every width and depth, and a text vocabulary of letters. A pass ends after 60 semantic tokens, 1.2 seconds.

Needs the packages of `.venv-engines`.
"""

import json
import string
import sys
from pathlib import Path

REVISION = "0" * 40
SEMANTIC_TOKENS = 60
PRESETS = ("v2/en_speaker_6", "v2/de_speaker_0")
LOUDNESS = 4.0
SMALL = {"hidden_size": 32, "num_heads": 2, "num_layers": 2, "block_size": 1024}


def main() -> None:
    """Makes the checkpoint in the directory named on the command line."""
    repository = Path(sys.argv[1]) / "hub" / "models--suno--bark-small"
    folder = repository / "snapshots" / REVISION
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    _save_model(folder)
    _save_tokenizer(folder)
    _save_presets(folder)


def _save_model(folder: Path) -> None:
    import torch
    from transformers import BarkConfig, BarkModel, EncodecConfig
    from transformers.models.bark import BarkCoarseConfig, BarkFineConfig, BarkSemanticConfig
    from transformers.models.bark.generation_configuration_bark import (
        BarkCoarseGenerationConfig,
        BarkFineGenerationConfig,
        BarkGenerationConfig,
        BarkSemanticGenerationConfig,
    )

    torch.manual_seed(1)
    model = BarkModel(
        BarkConfig.from_sub_model_configs(
            BarkSemanticConfig(input_vocab_size=129_600, output_vocab_size=10_048, **SMALL),
            BarkCoarseConfig(input_vocab_size=12_096, output_vocab_size=12_096, **SMALL),
            BarkFineConfig(input_vocab_size=1056, output_vocab_size=1056, **SMALL),
            EncodecConfig(hidden_size=32, num_filters=4),
        )
    )
    for layer in model.codec_model.quantizer.layers:
        layer.codebook.embed.normal_(0, LOUDNESS)  # all zeros where nothing was trained
    model.save_pretrained(folder)
    # transformers 4.57.3 can read this file, and not write it.
    generation = BarkGenerationConfig.from_sub_model_configs(
        BarkSemanticGenerationConfig(max_new_tokens=SEMANTIC_TOKENS),
        BarkCoarseGenerationConfig(),
        BarkFineGenerationConfig(),
    )
    (folder / "generation_config.json").write_text(json.dumps(generation.to_dict()))


def _save_tokenizer(folder: Path) -> None:
    from transformers import BertTokenizerFast

    signs = [*string.ascii_letters, *string.digits, *string.punctuation]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs, *(f"##{sign}" for sign in signs)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)


def _save_presets(folder: Path) -> None:
    import numpy as np

    dice = np.random.default_rng(1)
    paths: dict[str, object] = {"repo_or_path": "suno/bark-small"}
    for preset in PRESETS:
        arrays = {
            "semantic_prompt": dice.integers(0, 10_000, 40),
            "coarse_prompt": dice.integers(0, 1024, (2, 60)),
            "fine_prompt": dice.integers(0, 1024, (8, 60)),
        }
        paths[preset] = {name: f"speaker_embeddings/{preset}_{name}.npy" for name in arrays}
        for name, array in arrays.items():
            path = folder / f"speaker_embeddings/{preset}_{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, array)
    (folder / "speaker_embeddings_path.json").write_text(json.dumps(paths))


if __name__ == "__main__":
    main()
