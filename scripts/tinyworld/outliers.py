"""Gives a trained folder a few weights that are 16 times larger than those beside them, and leaves what it computes as it is.

python scripts/tinyworld/outliers.py fixtures/tiny-qwen

Large models have such weights, a small one does not, and they are what makes few bits hard: the range of a group is
theirs, and the weights beside them round to nothing. Four channels of what each norm and each gated product gives out
are divided by 16, the columns that read them multiplied by 16. Powers of two are exact in bf16 and f32, so every product
is what it was. Needs Python alone. Twice is not the same as once: train again to undo it.
"""

import array
import json
import random
import sys
from pathlib import Path

SEED, CHANNELS, POWER = 1, 4, 4


class Weights:
    """The bf16 tensors of a safetensors file, as 16-bit words."""

    def __init__(self, path):
        data = path.read_bytes()
        self.start = 8 + int.from_bytes(data[:8], "little")
        self.head, self.tensors = data[:self.start], json.loads(data[8:self.start])
        self.words = array.array("H", data[self.start:])
        if sys.byteorder == "big":
            self.words.byteswap()

    def scale(self, name, power, rows=None, columns=None):
        """Multiplies some rows or columns by 2^power."""
        tensor = self.tensors[name]
        assert tensor["dtype"] == "BF16", f"{name} is {tensor['dtype']}, not BF16"
        height, width = tensor["shape"] if len(tensor["shape"]) == 2 else (tensor["shape"][0], 1)
        first = tensor["data_offsets"][0] // 2
        for row in rows if rows is not None else range(height):
            for column in columns if columns is not None else range(width):
                at = first + row * width + column
                exponent = self.words[at] >> 7 & 255
                if self.words[at] & 0x7FFF:  # zero stays zero
                    assert 0 < exponent and 0 < exponent + power < 255, f"{name} cannot be scaled exactly"
                    self.words[at] += power << 7

    def write(self, path):
        if sys.byteorder == "big":
            self.words.byteswap()
        path.write_bytes(self.head + self.words.tobytes())


def main():
    folder, rng = Path(sys.argv[1]), random.Random(SEED)
    config = json.loads((folder / "config.json").read_text())
    weights = Weights(folder / "model.safetensors")
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}.{{}}.weight".format
        for source, width, readers in [
            ("input_layernorm", config["hidden_size"], ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
            ("post_attention_layernorm", config["hidden_size"], ["mlp.gate_proj", "mlp.up_proj"]),
            ("mlp.up_proj", config["intermediate_size"], ["mlp.down_proj"]),
        ]:
            channels = rng.sample(range(width), CHANNELS)
            weights.scale(name(source), -POWER, rows=channels)
            for reader in readers:
                weights.scale(name(reader), POWER, columns=channels)
    weights.write(folder / "model.safetensors")


if __name__ == "__main__":
    main()
