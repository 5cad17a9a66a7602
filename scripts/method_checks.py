"""GPTQ (arXiv:2210.17323) and SpQR (arXiv:2306.03078) in f64, one column at a time, for comparison with the programs
that make the goldens. Shapes: weight [R, C], hessian [C, C]."""

import numpy as np
import torch


def upper_factor(hessian, damping):
    """U with U'U = (H + damping * mean(diag H) * I)^-1."""
    h = hessian + damping * np.diag(hessian).mean() * np.eye(len(hessian))
    return np.linalg.cholesky(np.linalg.inv(h)).T


def gptq(weight, hessian, bits, group, sym):
    """Codes. A group's grid is fitted before its columns are corrected by one another, as the authors' program does
    while a group is no narrower than its block of 128 columns."""
    w, most = weight.double().numpy().copy(), 2**bits - 1
    upper = upper_factor(hessian.double().numpy(), 0.01)
    codes = np.empty_like(w)
    for c in range(w.shape[1]):
        if c % group == 0:
            part = w[:, c:c + group]
            low, high = np.minimum(part.min(1), 0), np.maximum(part.max(1), 0)
            if sym:
                high = np.maximum(-low, high)
                low = np.where(low < 0, -high, low)
            scale = (high - low) / most
            zero = np.full(len(w), (most + 1) / 2) if sym else np.rint(-low / scale)
        codes[:, c] = np.clip(np.rint(w[:, c] / scale) + zero, 0, most)
        off = (w[:, c] - scale * (codes[:, c] - zero)) / upper[c, c]
        w[:, c + 1:] -= np.outer(off, upper[c, c + 1:])
    return torch.from_numpy(codes)


def grid(values, most):
    """Scale and real zero of each row: its least value is code 0, its largest the last one."""
    low, high = values.min(-1), values.max(-1)
    flat = low == high
    low, high = np.where(flat, -1.0, low), np.where(flat, 1.0, high)
    scale = (high - low) / most
    return scale, -low / scale


def on_grid(values, scale, zero, most):
    codes = np.clip(np.rint(values / np.maximum(scale, 1e-9) + zero), 0, most)
    return codes, scale * (codes - zero)


def second_level(statistics):
    """Statistics of sixteen rows at a time as their own three bits give them back."""
    blocks = statistics.reshape(-1, 16)
    scale, zero = grid(blocks, 7)
    return on_grid(blocks, scale[:, None], zero[:, None], 7)[1].reshape(-1)


def gains(part, diagonal, most):
    """How much less a row's error in this group is when one weight is kept out of it; [R, 16]."""
    def loss(values, u):
        scale, zero = grid(values, most)
        return (((on_grid(values, scale[:, None], zero[:, None], most)[1] - values) / u) ** 2).sum(1)

    without = [loss(np.delete(part, i, 1), np.delete(diagonal, i)) for i in range(part.shape[1])]
    return loss(part, diagonal)[:, None] - np.stack(without, 1)


def spqr(weight, hessian, bits, group=16, threshold=0.2, damping=1.0):
    """Codes and mask of outliers, columns by falling diagonal of H."""
    h, most = hessian.double().numpy(), 2**bits - 1
    order = np.argsort(-np.diag(h), kind="stable")
    w = weight.double().numpy()[:, order].copy()
    upper = upper_factor(h[order][:, order], damping)
    diagonal = np.diag(upper)
    limit = threshold * (w.var(0, ddof=1) / diagonal**2).mean()
    codes, mask = np.empty_like(w), np.zeros(w.shape, bool)
    for c in range(w.shape[1]):
        if c % group == 0:
            part = w[:, c:c + group]
            kept = gains(part, diagonal[c:c + group], most) <= limit
            mean = (part * kept).sum(1) / np.maximum(kept.sum(1), 1)
            scale, zero = map(second_level, grid(np.where(kept, part, mean[:, None]), most))
        now = w[:, c].copy()
        found = on_grid(now, scale, zero, most)[1]
        mask[:, c] = ((now - found) / upper[c, c]) ** 2 > limit
        codes[:, c], found = on_grid(np.where(mask[:, c], 0, now), scale, zero, most)
        off = np.where(mask[:, c], 0, now - found) / upper[c, c]
        w[:, c + 1:] -= np.outer(off, upper[c, c + 1:])
    return torch.from_numpy(codes), torch.from_numpy(mask)
