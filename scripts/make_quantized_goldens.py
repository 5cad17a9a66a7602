"""Quantized folders made by other programs, and what they hold.

pip install torch transformers bitsandbytes optimum gptqmodel
GPTQMODEL_CPU_WORKERS=2 python scripts/make_quantized_goldens.py fixtures/micro-qwen fixtures/quantized

fixtures/quantized:
  gptq/                 4 bits, groups of 32, desc_act, asymmetric: quantized and saved by GPTQModel
  int8/                 saved by transformers with bitsandbytes
  golden.safetensors    for both, M:
    M.input_ids  I64 [24]
    M.logits     F32 [vocab_size]  of the last position; f32 arithmetic on the decoded weights
    M.tool       F32 [vocab_size]  the same from the tool itself, with its own arithmetic
    M.LINEAR     F32 [rows]        product of the decoded weight with x, x[j] = cos(j), in f64
  linears.safetensors   one linear of [32, 64] a setting, S = gptq BITS VERSION sym/asym, packed by GPTQModel: its
                        tensors and S.product F32 [32], of the weight as GPTQModel decodes it with x as above
The model is micro-qwen with a tied output matrix, so that the fixtures stay small.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from gptqmodel import GPTQModel, QuantizeConfig
from gptqmodel.nn_modules.qlinear.torch import TorchLinear
from gptqmodel.utils.model import convert_gptq_v2_to_v1_format_module
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from quantized_weights import gptq, linears, load_tensors

INPUT = torch.arange(24) * 37 % 251


def tied_copy(source, folder):
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text())
    config.update(tie_word_embeddings=True, torch_dtype="float16", dtype="float16")
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    tensors = load_tensors(folder)
    for file in folder.glob("model*"):
        file.unlink()
    del tensors["lm_head.weight"]
    save_file({n: t.half() for n, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"})


def last_logits(model):
    with torch.no_grad():
        return model(INPUT[None].to(model.device)).logits[0, -1].float()


def decoded_model(base, folder):
    """The base model in f32 with the folder's weights, quantized ones decoded; and those."""
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    tensors = load_tensors(folder)
    decoded = linears(tensors, config)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager").eval()
    state = model.state_dict()
    for name, value in state.items():
        prefix = name.rpartition(".")[0]
        if name.endswith(".weight") and prefix in decoded:
            value.copy_(torch.from_numpy(decoded[prefix]))
        elif name in tensors:
            value.copy_(tensors[name])
    return model, decoded


def product(weight):
    x = np.cos(np.arange(weight.shape[1], dtype=np.float64))
    return torch.from_numpy(weight.astype(np.float64) @ x).float()


def golden(name, base, folder, tool, out):
    model, decoded = decoded_model(base, folder)
    out[f"{name}.input_ids"], out[f"{name}.logits"], out[f"{name}.tool"] = INPUT.clone(), last_logits(model), tool
    out.update({f"{name}.{linear}": product(weight) for linear, weight in decoded.items()})
    difference = (out[f"{name}.logits"] - tool).abs().max()
    print(f"{name}: {len(decoded)} linears, tool and decoded weights differ by {difference:.5f}, "
          f"logits reach {tool.abs().max():.2f}")


def make_gptq(base, folder, out):
    draw = torch.Generator().manual_seed(1)
    texts = [torch.randint(0, 256, (128,), generator=draw).tolist() for _ in range(16)]
    model = GPTQModel.load(str(base), QuantizeConfig(bits=4, group_size=32, desc_act=True, sym=False,
                                                       offload_to_disk=False))
    model.quantize([{"input_ids": t, "attention_mask": [1] * len(t)} for t in texts], batch_size=1)
    model.save(str(folder))
    (folder / "quant_log.csv").unlink(missing_ok=True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float16, device_map="cpu").eval()
    golden("gptq", base, folder, last_logits(model), out)


def make_int8(base, folder, out):
    config = BitsAndBytesConfig(load_in_8bit=True)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float16, quantization_config=config, device_map="cpu")
    model.save_pretrained(folder)
    for file in ["tokenizer.json", "tokenizer_config.json"]:
        shutil.copy(base / file, folder / file)
    golden("int8", base, folder, last_logits(model.eval()), out)


def make_linears(path):
    draw = torch.Generator().manual_seed(2)
    rows, cols, group = 32, 64, 32
    tensors = {}
    for bits, version, sym in [(2, 1, False), (2, 1, True), (3, 1, False), (3, 2, False), (4, 1, True), (4, 2, False),
                               (8, 1, True), (8, 1, False)]:
        groups, most = cols // group, 2**bits - 1
        g_idx = torch.arange(cols, dtype=torch.int32) // group
        if not sym:
            g_idx = g_idx[torch.randperm(cols, generator=draw)]
        scales = (0.01 + torch.rand(rows, groups, generator=draw)).half().float()
        zeros = torch.randint(1, most, (rows, groups), generator=draw) if not sym else torch.full((rows, groups), (most + 1) // 2)
        codes = torch.randint(0, most + 1, (rows, cols), generator=draw)
        linear = torch.nn.Linear(cols, rows, bias=False)
        linear.weight.data = scales[:, g_idx.long()] * (codes - zeros[:, g_idx.long()])
        packed = TorchLinear(bits=bits, group_size=group, sym=sym, desc_act=not sym, in_features=cols,
                             out_features=rows, bias=False)
        packed.pack_original(linear, scales, zeros, g_idx)
        own = {n: getattr(packed, n).clone() for n in ["qweight", "scales", "g_idx"]}
        packed.scales = packed.scales.float()
        packed._init_wf_unsqueeze_buffers()
        decoded = super(TorchLinear, packed).dequantize_weight().T.float().contiguous()
        assert torch.equal(decoded, linear.weight.data), "GPTQModel packs what it was given"
        if version == 1:
            convert_gptq_v2_to_v1_format_module(packed, QuantizeConfig(bits=bits, group_size=group, sym=sym))
        own["qzeros"] = packed.qzeros.clone()
        config = {"bits": bits, "checkpoint_format": "gptq" if version == 1 else "gptq_v2"}
        assert np.array_equal(gptq(own, config), decoded.numpy()), f"{bits} bits: two decoders differ"
        name = f"gptq {bits} v{version} {'sym' if sym else 'asym'}"
        tensors.update({f"{name}.{part}": t.contiguous() for part, t in own.items()})
        tensors[f"{name}.product"] = product(decoded.numpy())
    save_file(tensors, path, {"format": "pt"})


def main(source, target):
    target = Path(target)
    target.mkdir(parents=True, exist_ok=True)
    out = {}
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "tied"
        tied_copy(Path(source), base)
        for name, make in [("gptq", make_gptq), ("int8", make_int8)]:
            shutil.rmtree(target / name, ignore_errors=True)
            (target / name).mkdir()
            make(base, target / name, out)
    save_file({n: t.contiguous() for n, t in out.items()}, target / "golden.safetensors", {"format": "pt"})
    make_linears(target / "linears.safetensors")
    print(sum(f.stat().st_size for f in target.rglob("*") if f.is_file()), "bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
