"""Writes fixtures/methods: one small layer through the programs of the methods' authors.

pip install torch transformers safetensors numpy bitsandbytes
git clone https://github.com/IST-DASLab/gptq; git clone https://github.com/Vahe1994/SpQR
python scripts/make_method_goldens.py --gptq gptq --spqr SpQR fixtures/methods

RTN and GPTQ are by gptq's `Quantizer` and `GPTQ`, SpQR by `SPQRUtil`, LLM.int8() by bitsandbytes on the CPU. The two
research programs are imported from clones; nothing of them is copied. What GPTQ and SpQR return is also compared with
the short programs in f64 of method_checks.py, written from the papers; SEED is such
that no code hangs on the last bits of f32.

The layer, R = 128 outputs and C = 256 inputs, is drawn with SEED: weights with heavy tails, inputs of correlated
columns, a few of them large. Metadata of each file: how it was made, and "error_S", the relative error
tr(dW H dW') / tr(W H W') of setting S in f64 ("share_S" for SpQR: part of the weights that are outliers).

layer_input    weight_bf16_bits U16 [R, C]; hessian F32 [C, C] as GPTQ scales it
layer_rtn      codes_S U8 [R, C], scale_S F32 [R, C/128], zero_S F32; w = scale * (code - zero); S = 8, 4, 3, 2
layer_gptq     the same; S = 8, 4, 3, 4_sym, 4_act (act-order: also g_idx_4_act I32 [C], the group of each column)
layer_spqr_B   B = 4, 3: codes_permuted I8 [R, C], quant_scale, quant_zero I8 [R, C/16],
               quant_layer_{scale,zero}_qq_{scale,zero} F32 [R/16, C/16], perm I32 [C],
               outlier_mask_permuted_packed U8 [R, C/8] (first column in the highest bit), dequant F32 [R, C] in the
               order of the inputs
layer_int8     A_fp16 F16 [64, C], CB I8 [R, C], SCB F32 [R], bias_bf16_bits U16 [R]; for thresholds T = 6, 0.5:
               tT_CA I8 [64, C], tT_SCA F32 [64], tT_outlier_cols I32, tT_y_fp16 F16 [64, R]
"""

import argparse
import sys
from pathlib import Path

import method_checks as checks
import numpy as np
import torch
from safetensors.torch import save_file

SEED, ROWS, COLS, TOKENS, GROUP = 5, 128, 256, 2048, 128


def draw_layer():
    """Weights in bf16, inputs of the Hessian, and inputs and bias for LLM.int8()."""
    draw = np.random.default_rng(SEED)
    weight = 0.04 * draw.standard_t(5, (ROWS, COLS))
    mixing = draw.standard_normal((COLS, COLS)) * np.arange(1, COLS + 1)[:, None] ** -0.7
    inputs = draw.standard_normal((TOKENS, COLS)) @ mixing
    inputs *= 0.12 / inputs.std() * draw.lognormal(0, 0.4, COLS)
    inputs[:, draw.choice(COLS, 5, replace=False)] *= 20
    bias = 0.1 * draw.standard_normal(ROWS)
    to = lambda a, kind: torch.from_numpy(a).to(kind)
    return to(weight, torch.bfloat16), to(inputs, torch.float32), to(bias, torch.bfloat16)


def bits_of(tensor):
    return tensor.view(torch.uint16)


def error(weight, found, hessian):
    w, h = weight.double(), hessian.double()
    d = found.double() - w
    return (((d @ h) * d).sum() / ((w @ h) * w).sum()).item()


def linear(weight):
    layer = torch.nn.Linear(COLS, ROWS, bias=False)
    layer.weight.data = weight.clone()
    return layer


def rtn(Quantizer, quantize, weight, bits):
    """Codes, scales, zeros and weights of the authors' grid for each group of columns."""
    codes, scales, zeros, found = [], [], [], []
    for start in range(0, COLS, GROUP):
        quantizer, part = Quantizer(), weight[:, start:start + GROUP]
        quantizer.configure(bits, perchannel=True, sym=False, mse=False)
        quantizer.find_params(part, weight=True)
        found.append(quantize(part, quantizer.scale, quantizer.zero, quantizer.maxq))
        codes.append(torch.round(found[-1] / quantizer.scale) + quantizer.zero)
        scales.append(quantizer.scale)
        zeros.append(quantizer.zero)
    return tuple(torch.cat(part, 1) for part in [codes, scales, zeros, found])


def gptq(GPTQ, Quantizer, weight, inputs, bits, sym=False, act_order=False):
    """The same by GPTQ, and its Hessian; columns in the order of the inputs, groups as the solver met them."""
    groups = []

    class Recorder(Quantizer):
        def find_params(self, x, weight=False):
            super().find_params(x, weight)
            groups.append((self.scale, self.zero))

    solver = GPTQ(linear(weight))
    solver.add_batch(inputs[None], None)
    hessian = solver.H.clone()
    solver.quantizer = Recorder()
    solver.quantizer.configure(bits, perchannel=True, sym=sym, mse=False)
    solver.fasterquant(percdamp=0.01, groupsize=GROUP, actorder=act_order)
    # The first is of whole rows: the solver fits it before it looks at the groups.
    scales, zeros = (torch.cat(part, 1) for part in zip(*groups[1:]))
    order = torch.argsort(torch.diag(hessian), descending=True) if act_order else torch.arange(COLS)
    g_idx = torch.empty(COLS, dtype=torch.int64)
    g_idx[order] = torch.arange(COLS) // GROUP
    found = solver.layer.weight.data
    codes = torch.round(found / scales[:, g_idx]) + zeros[:, g_idx]
    assert torch.equal(scales[:, g_idx] * (codes - zeros[:, g_idx]), found), "codes give the weights back"
    return codes, scales, zeros, found, hessian, g_idx


def spqr(SPQRUtil, weight, inputs, bits):
    solver = SPQRUtil(linear(weight))
    solver.add_batch(inputs[None])
    result = solver.quantize(
        bits=bits, groupsize=16, percdamp=1.0, outlier_relative_threshold=0.2, permutation_order="act_order",
        qq_scale_bits=3, qq_zero_bits=3, qq_groupsize=16, perchannel=True, sym=False, save_quantization=True,
        verbose=False,
    )
    saved = result.save_quant_dict
    out = {
        "codes_permuted": saved["quant_weights"], "perm": saved["perm"], "dequant": result.weight,
        "quant_scale": torch.stack([part.flatten() for part in saved["quant_layer_scale"]], 1),
        "quant_zero": torch.stack([part.flatten() for part in saved["quant_layer_zeros"]], 1),
        "outlier_mask_permuted_packed": torch.from_numpy(np.packbits(result.unstructured_outlier_mask.numpy(), axis=1)),
    }
    for what in ["scale", "zero"]:
        for part in ["scale", "zero"]:
            name = f"quant_layer_{what}_qq_{part}"
            out[name] = torch.stack([block.flatten() for block in saved[name]], 1)
    return out, result.unstructured_outlier_mask


def int8(weight, inputs, bias):
    import bitsandbytes
    from bitsandbytes.functional import int8_vectorwise_quant

    CB, SCB, _ = int8_vectorwise_quant(weight.half())
    A = inputs[:64].half()
    out = {"A_fp16": A, "CB": CB, "SCB": SCB, "bias_bf16_bits": bits_of(bias)}
    for threshold in [6.0, 0.5]:
        name = f"t{threshold:g}_"
        state = bitsandbytes.MatmulLtState()
        state.has_fp16_weights, state.threshold, state.CB, state.SCB = False, threshold, CB, SCB
        codes, scales, columns = int8_vectorwise_quant(A.clone(), threshold)
        out[name + "CA"], out[name + "SCA"] = codes, scales.float()
        out[name + "outlier_cols"] = (columns if columns is not None else torch.empty(0)).to(torch.int32)
        out[name + "y_fp16"] = bitsandbytes.matmul(A.clone(), CB, bias=bias.half(), state=state)
        exact = A.double() @ (CB.double() * SCB.double()[:, None] / 127).T + bias.double()
        print(f"int8, threshold {threshold:g}: {len(out[name + 'outlier_cols'])} columns with an outlier, "
              f"off by up to {(out[name + 'y_fp16'].double() - exact).abs().max():.4f}")
    return out, f"bitsandbytes {bitsandbytes.__version__}, CPU"


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gptq", type=Path, required=True)
    parser.add_argument("--spqr", type=Path, required=True)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.cuda.synchronize = lambda: None  # gptq times itself with it; there is no GPU here
    sys.path[:0] = [str(args.gptq), str(args.spqr)]
    from gptq import GPTQ
    from quant import Quantizer, quantize
    from spqr_engine import SPQRUtil

    stored, inputs, bias = draw_layer()
    weight = stored.float()

    def save(name, tensors, metadata):
        path = args.out / f"{name}.safetensors"
        made = {"made_by": metadata.pop("made_by"), "torch": torch.__version__}
        save_file({n: t.contiguous() for n, t in tensors.items()}, path, {**made, **{k: f"{v:.9e}" for k, v in metadata.items()}})
        path.chmod(0o644)
        print(f"{path}: {path.stat().st_size} bytes; {metadata}")

    grids, notes = {}, {"made_by": "IST-DASLab/gptq, quant.py: Quantizer"}
    tensors, facts = {}, {"made_by": "IST-DASLab/gptq, gptq.py: GPTQ"}
    hessian = None
    for setting, bits, options in [("8", 8, {}), ("4", 4, {}), ("3", 3, {}), ("4_sym", 4, {"sym": True}),
                                   ("4_act", 4, {"act_order": True})]:
        codes, scales, zeros, found, hessian, g_idx = gptq(GPTQ, Quantizer, weight, inputs, bits, **options)
        tensors.update({f"codes_{setting}": codes.to(torch.uint8), f"scale_{setting}": scales, f"zero_{setting}": zeros})
        if "act_order" in options:
            tensors[f"g_idx_{setting}"] = g_idx.to(torch.int32)
        else:
            same = (checks.gptq(weight, hessian, bits, GROUP, options.get("sym", False)) == codes).double().mean()
            print(f"gptq {setting}: {100 * same:.3f} % of the codes as the program in f64 has them")
        facts[f"error_{setting}"] = error(weight, found, hessian)
    for bits in [8, 4, 3, 2]:
        codes, scales, zeros, found = rtn(Quantizer, quantize, weight, bits)
        grids.update({f"codes_{bits}": codes.to(torch.uint8), f"scale_{bits}": scales, f"zero_{bits}": zeros})
        notes[f"error_{bits}"] = error(weight, found, hessian)
    save("layer_input", {"weight_bf16_bits": bits_of(stored), "hessian": hessian}, {"made_by": f"seed {SEED}"})
    save("layer_rtn", grids, notes)
    save("layer_gptq", tensors, facts)
    for bits in [4, 3]:
        out, outliers = spqr(SPQRUtil, weight, inputs, bits)
        codes, mask = checks.spqr(weight, hessian, bits)
        same = (codes == out["codes_permuted"]).double().mean(), (mask == outliers).double().mean()
        print(f"spqr {bits}: {100 * same[0]:.3f} % of the codes and {100 * same[1]:.3f} % of the mask as in f64")
        save(f"layer_spqr_{bits}", out, {
            "made_by": "Vahe1994/SpQR, spqr_engine.py: SPQRUtil", f"error_{bits}": error(weight, out["dequant"], hessian),
            f"share_{bits}": outliers.double().mean().item(),
        })
    out, made_by = int8(weight, inputs, bias)
    save("layer_int8", out, {"made_by": made_by})


if __name__ == "__main__":
    main()
