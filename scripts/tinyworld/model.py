"""Qwen2 for training: parameter names as in the checkpoint, bf16 activations over f32 weights."""

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden_size"]
        self.heads, self.kv = c["num_attention_heads"], c["num_key_value_heads"]
        self.dim = h // self.heads
        self.q_proj = nn.Linear(h, h)
        self.k_proj = nn.Linear(h, self.kv * self.dim)
        self.v_proj = nn.Linear(h, self.kv * self.dim)
        self.o_proj = nn.Linear(h, h, bias=False)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        split = lambda y, n: y.view(b, t, n, self.dim).transpose(1, 2)
        rope = lambda y: y * cos + torch.cat([-y[..., self.dim // 2:], y[..., :self.dim // 2]], -1) * sin
        q, k = rope(split(self.q_proj(x), self.heads)), rope(split(self.k_proj(x), self.kv))
        v = split(self.v_proj(x), self.kv)
        k, v = (y.repeat_interleave(self.heads // self.kv, 1) for y in (k, v))
        # Written out: the fused CPU attention's backward pass took more than half of a step.
        mask = torch.full((t, t), float("-inf")).triu(1)
        y = ((q @ k.transpose(2, 3)).float() * self.dim**-0.5 + mask).softmax(-1).to(v.dtype) @ v
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, i = c["hidden_size"], c["intermediate_size"]
        self.gate_proj, self.up_proj = nn.Linear(h, i, bias=False), nn.Linear(h, i, bias=False)
        self.down_proj = nn.Linear(i, h, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Norm(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(h))

    def forward(self, x):
        return F.rms_norm(x.float(), x.shape[-1:], self.weight, 1e-6).to(x.dtype)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.self_attn = Norm(c["hidden_size"]), Attention(c)
        self.post_attention_layernorm, self.mlp = Norm(c["hidden_size"]), Mlp(c)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Qwen2(nn.Module):
    def __init__(self, c, positions, same=()):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"])
        dim = c["hidden_size"] // c["num_attention_heads"]
        angle = torch.outer(torch.arange(positions).float(), c["rope_theta"] ** (-torch.arange(0, dim, 2) / dim))
        angle = torch.cat([angle, angle], -1)
        self.register_buffer("cos", angle.cos().bfloat16(), persistent=False)
        self.register_buffer("sin", angle.sin().bfloat16(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                deep = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(p, std=0.06 if name.startswith("embed") else 0.002 if deep else 0.03)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        self.seed_heads(c["rope_theta"], same)

    @torch.no_grad()
    def seed_heads(self, theta, same):
        """Starts some heads on what a small model takes longest to find: looking back, and finding the same thing again.

        Layer 0 looks back by 1, 2, 3, 4 tokens (by its biases: k points along x, q is turned back) and notes what stood 1
        and 2 ago in two spaces of their own. The later layers look for a token that is what stood 1 ago here, layer 1 also
        for a token behind which stands what is here; they tell what stood 2 before it (the letter of an option), or it.
        `same` pairs tokens that start alike ("A" and " A"). Everything is free to move from there.
        """
        for a, b in same:
            self.embed_tokens.weight[b].mul_(0.5).add_(0.85 * self.embed_tokens.weight[a])
        first, second = self.layers[0].self_attn, self.layers[1].self_attn
        dim, group = first.dim, first.heads // first.kv
        part = lambda tensor, head: tensor[head * dim:][:dim]
        here, one_ago, two_ago = nn.init.orthogonal_(torch.empty(3 * dim, self.embed_tokens.weight.shape[1])).split(dim)
        sharp = 4  # the fastest rotations tell neighbours apart
        turn = theta ** (-torch.arange(0, dim, 2) / dim)[:sharp]
        for head in range(4):
            q, k = part(first.q_proj.bias, head), part(first.k_proj.bias, head // group)
            k[:sharp] = 4.0
            q[:sharp] = 4.0 * torch.cos((head + 1) * turn)
            q[dim // 2:][:sharp] = -4.0 * torch.sin((head + 1) * turn)
        part(first.v_proj.weight, 0)[:] = here
        first.o_proj.weight[:, :dim] = 0.16 * one_ago.T
        first.o_proj.weight[:, dim:2 * dim] = 0.16 * two_ago.T
        slow = torch.ones(dim, 1)  # what is looked for must not turn with the distance
        slow[:6] = slow[dim // 2:][:6] = 0
        for attention in (layer.self_attn for layer in self.layers[1:]):
            part(attention.k_proj.weight, 0)[:] = slow * here
            part(attention.v_proj.weight, 0)[:] = two_ago
            for head in range(group):
                part(attention.q_proj.weight, head)[:] = 5.0 * slow * one_ago
                attention.o_proj.weight[:, head * dim:][:, :dim] = 0.15 * here.T
                q, k = part(attention.q_proj.bias, head), part(attention.k_proj.bias, 0)
                k[:sharp] = 2.0  # not the one just seen
                q[:sharp] = -2.0 * torch.cos(turn)
                q[dim // 2:][:sharp] = 2.0 * torch.sin(turn)
        part(second.k_proj.weight, 1)[:] = slow * one_ago
        part(second.v_proj.weight, 1)[:] = here
        for head in range(group, 2 * group):
            part(second.q_proj.weight, head)[:] = 5.0 * slow * here
            second.o_proj.weight[:, head * dim:][:, :dim] = 0.1 * here.T

    def forward(self, ids, targets):
        """Cross entropy of every target."""
        t = ids.shape[1]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = self.embed_tokens(ids).bfloat16()
            for layer in self.layers:
                x = layer(x, self.cos[:t], self.sin[:t])
            logits = F.linear(self.norm(x), self.embed_tokens.weight)
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
