"""Loads a quantized folder in the programs that others use, and compares with its weights decoded from the description.

pip install torch transformers bitsandbytes optimum gptqmodel
GPTQMODEL_CPU_WORKERS=2 python scripts/check_quantized_folder.py FOLDER...

gptq: transformers (optimum, gptqmodel) and GPTQModel by itself. bitsandbytes: transformers. Checked in each:
  weights    those of the loaded linears, decoded by the program, equal ours
  linears    int8 only: outputs for the program's own inputs, against LLM.int8() on the decoded weights in f32
  logits     of all positions of one sequence: the program's in its own arithmetic, against f32 on the decoded weights;
             for int8, against LLM.int8() on them
  tokenizer  the folder's text comes back from its ids
The difference allowed is 1e-2 of the largest value; for the logits of int8, 3e-2: an activation rounded the other way
moves them, and so does another attention kernel in the same program.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from quantized_weights import linears, load_tensors

TEXT = "The fox lives in the forest. It eats mice, and 12 + 7 = 19. 狐狸住在森林里。"


class Int8Linear(torch.nn.Module):
    """LLM.int8() on a decoded weight: columns of x with a value of `threshold` or more stay as they are."""

    def __init__(self, weight, bias, threshold):
        super().__init__()
        self.weight, self.bias, self.threshold = weight, bias, threshold

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1]).float()
        outlier = (flat.abs() >= self.threshold).any(0) if self.threshold > 0 else torch.zeros(flat.shape[1], dtype=bool)
        # The scale is of all small values, those in the outliers' columns too.
        small = flat.masked_fill(flat.abs() >= self.threshold, 0) if self.threshold > 0 else flat
        scale = small.abs().amax(1, keepdim=True).clamp(min=1e-30)
        rounded = (flat * (127 / scale)).round() * (scale / 127)
        out = torch.nn.functional.linear(torch.where(outlier, flat, rounded), self.weight, self.bias)
        return out.reshape(*x.shape[:-1], -1).to(x.dtype)


def reference(folder, config, tensors, decoded):
    """The model in f32 with the decoded weights."""
    with tempfile.TemporaryDirectory() as plain:
        fields = json.loads((folder / "config.json").read_text())
        del fields["quantization_config"]
        (Path(plain) / "config.json").write_text(json.dumps(fields))
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(plain), dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    state = model.state_dict()
    missing = []
    for name, value in state.items():
        prefix = name.rpartition(".")[0]
        if name.endswith(".weight") and prefix in decoded:
            value.copy_(torch.from_numpy(decoded[prefix]))
        elif name in tensors:
            value.copy_(tensors[name])
        else:
            missing.append(name)
    assert missing in ([], ["lm_head.weight"]), missing
    model.tie_weights()
    if config["quant_method"] == "bitsandbytes":
        model.half()
        for name in decoded:
            parent, _, last = name.rpartition(".")
            linear = getattr(model.get_submodule(parent), last)
            setattr(model.get_submodule(parent), last,
                    Int8Linear(torch.from_numpy(decoded[name]), None if linear.bias is None else linear.bias.float(),
                               config["llm_int8_threshold"]))
    return model


def loaded_weight(module):
    """What a program's own code makes of a linear it has loaded; None where it cannot say."""
    kind = type(module).__name__
    if kind == "Linear8bitLt":
        codes = module.weight.CB if module.weight.CB is not None else module.weight.data
        scales = module.weight.SCB if module.weight.SCB is not None else module.state.SCB
        return codes.float() * (scales[:, None] / 127)
    if hasattr(module, "dequantize_weight") and hasattr(module, "scales"):
        from gptqmodel.nn_modules.qlinear import PackableQuantLinear
        scales, module.scales = module.scales, module.scales.float()
        try:
            return PackableQuantLinear.dequantize_weight(module).T.float()
        except (AttributeError, RuntimeError):
            return None
        finally:
            module.scales = scales
    return None


def compare_outputs(model, ours, ids, names):
    """Largest difference of a linear's outputs, as a part of the largest output."""
    worst = []

    def hook(name):
        def compare(_module, args, out):
            expected = ours.get_submodule(name)(args[0]).float()
            worst.append(float((expected - out.float()).abs().max() / expected.abs().max()))
        return compare

    handles = [model.get_submodule(name).register_forward_hook(hook(name)) for name in names]
    with torch.no_grad():
        model(ids)
    for handle in handles:
        handle.remove()
    assert len(worst) == len(names)
    return max(worst)


def compare(program, model, expected, ids, decoded, most):
    modules = dict(model.named_modules())
    kinds, worst, seen = set(), 0.0, 0
    with torch.no_grad():
        logits = model(ids.to(next(model.parameters()).device)).logits[0].float()
        for name, weight in decoded.items():
            # GPTQModel wraps the model in one of its own.
            module = modules.get(name, modules.get("model." + name))
            kinds.add(type(module).__name__)
            found = loaded_weight(module)
            if found is not None:
                worst, seen = max(worst, float((found - torch.from_numpy(weight)).abs().max())), seen + 1
    largest = float(expected.abs().max())
    difference = float((logits - expected).abs().max())
    same = float((logits.argmax(-1) == expected.argmax(-1)).float().mean())
    print(f"  {program}: {', '.join(sorted(kinds))}; {seen} of {len(decoded)} weights read back, off by {worst:.1e}; "
          f"logits off by {difference:.4f} of {largest:.1f} ({difference / largest:.1e}), same best {same:.0%}", flush=True)
    assert worst <= 1e-6, "weights differ"
    assert difference <= most * largest, "logits differ"


def check(folder, only):
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    tensors = load_tensors(folder)
    decoded = linears(tensors, config)
    assert decoded, "no quantized linears"
    print(f"{folder}: {config['quant_method']}, {config.get('bits', 8)} bits, {len(decoded)} linears", flush=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
    assert tokenizer.decode(ids[0]) == TEXT, tokenizer.decode(ids[0])
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    print(f"  tokenizer: {type(tokenizer).__name__}, {ids.shape[1]} ids, chat template gives {len(prompt)} characters")
    model = reference(folder, config, tensors, decoded)
    del tensors
    with torch.no_grad():
        expected = model(ids).logits[0].float()
    int8 = config["quant_method"] == "bitsandbytes"
    if "transformers" in only:
        ours, model = model, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float16, device_map="cpu").eval()
        if int8:
            worst = compare_outputs(model, ours, ids, list(decoded))
            print(f"  linears: outputs off by {worst:.1e} of the largest")
            assert worst <= 1e-2, "outputs differ"
        del ours
        compare("transformers", model, expected, ids, decoded, 3e-2 if int8 else 1e-2)
    del model
    if config["quant_method"] == "gptq" and "gptqmodel" in only:
        if not config["sym"] and config["checkpoint_format"] == "gptq" and "gptqmodel" not in str(config.get("meta")):
            print("  GPTQModel: reads asymmetric zeros of version 1 only from its own files")
            return
        from gptqmodel import BACKEND, GPTQModel
        model = GPTQModel.load(str(folder), device="cpu", backend=BACKEND.GPTQ_TORCH, dtype=torch.float16)
        compare("GPTQModel", model.model, expected, ids, decoded, 1e-2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--only", choices=["transformers", "gptqmodel"], action="append")
    args = parser.parse_args()
    torch.set_num_threads(2)
    np.seterr(all="raise")
    for one in args.folders:
        check(one, args.only or ["transformers", "gptqmodel"])
