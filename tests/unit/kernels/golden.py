"""Makes golden.h5: what PyTorch makes of the primitives, in double precision from float32 inputs, forward and backward.

    python tests/unit/kernels/golden.py        needs torch and h5py; made with torch 2.x, kept in the repository

Every dataset is float32 and contiguous, in the shape that kernels/api states; integers are stored as float32 too. `d_x` is the
gradient of x for the given `dy`.
"""
import pathlib

import h5py
import torch
import torch.nn.functional as F

torch.manual_seed(1)
FILE = pathlib.Path(__file__).with_name("golden.h5")


def values(*shape, scale=1.0):
    """Representable in float32, so that both sides begin with the same numbers."""
    return (scale * torch.randn(*shape)).float().double().requires_grad_()


def backward(result, dy, *inputs):
    return torch.autograd.grad(result, inputs, dy)


def activations():
    x, dy = values(67, scale=3), values(67)
    y = F.gelu(x, approximate="tanh")
    yield "gelu", {"x": x, "dy": dy, "y": y, "dx": backward(y, dy, x)[0]}
    gate_up, dy = values(5, 34, scale=3), values(5, 17)
    gate, up = gate_up.chunk(2, dim=1)
    y = F.silu(gate) * up
    yield "swiglu", {"gate_up": gate_up, "dy": dy, "y": y, "d_gate_up": backward(y, dy, gate_up)[0]}


def norms():
    x, gain, bias, dy = values(5, 33), values(33), values(33), values(5, 33)
    y = F.rms_norm(x, (33,), gain, eps=1e-5)
    dx, d_gain = backward(y, dy, x, gain)
    yield "rms_norm", {"x": x, "gain": gain, "dy": dy, "y": y, "dx": dx, "d_gain": d_gain}
    y = F.layer_norm(x, (33,), gain, bias, eps=1e-5)
    dx, d_gain, d_bias = backward(y, dy, x, gain, bias)
    yield "layer_norm", {"x": x, "gain": gain, "bias": bias, "dy": dy, "y": y, "dx": dx, "d_gain": d_gain, "d_bias": d_bias}


def products():
    x, w, dy = values(13, 35), values(21, 35), values(13, 21)
    y = F.linear(x, w)
    dx, dw = backward(y, dy, x, w)
    yield "matmul", {"x": x, "w": w, "dy": dy, "y": y, "dx": dx, "dw": dw}


def cross_entropy():
    logits, targets = values(4, 131, scale=4), torch.tensor([0, 130, 65, 7])
    losses = F.cross_entropy(logits, targets, reduction="none")
    yield "cross_entropy", {"logits": logits, "targets": targets, "losses": losses,
                            "d_logits": backward(losses.mean(), None, logits)[0]}


def split(qkv, heads, kv_heads, width):
    """[B, heads, T, width] of queries, keys and values."""
    parts = qkv.split([heads * width, kv_heads * width, kv_heads * width], dim=2)
    return [part.unflatten(2, (-1, width)).transpose(1, 2) for part in parts]


def attention():
    heads, kv_heads, width = 4, 2, 16
    qkv, dy = values(2, 37, (heads + 2 * kv_heads) * width), values(2, 37, heads * width)
    q, k, v = split(qkv, heads, kv_heads, width)
    k, v = (t.repeat_interleave(heads // kv_heads, dim=1) for t in (k, v))
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    yield "attention", {"qkv": qkv, "d_out": dy, "out": out, "d_qkv": backward(out, dy, qkv)[0]}


def rope():
    """As transformers' Llama does it: x cos + rotate_half(x) sin."""
    heads, kv_heads, width, tokens = 3, 1, 10, 29
    qkv = values(2, tokens, (heads + 2 * kv_heads) * width)
    frequency = 1.0 / 10000 ** (torch.arange(0, width, 2).double() / width)
    angle = torch.outer(torch.arange(tokens).double(), frequency).repeat(1, 2)
    def turn(x):
        return x * angle.cos() + torch.cat([-x[..., width // 2:], x[..., :width // 2]], dim=-1) * angle.sin()
    q, k, v = split(qkv, heads, kv_heads, width)
    turned = torch.cat([t.transpose(1, 2).flatten(2) for t in (turn(q), turn(k), v)], dim=2)
    dy = values(*turned.shape)
    yield "rope", {"qkv": qkv, "turned": turned, "dy": dy, "d_qkv": backward(turned, dy, qkv)[0]}


def embedding():
    table, positions, tokens = values(19, 12), values(7, 12), torch.randint(19, (3, 7))
    x = F.embedding(tokens, table) + positions
    dy = values(*x.shape)
    d_table, d_positions = backward(x, dy, table, positions)
    yield "embedding", {"table": table, "positions": positions, "tokens": tokens, "x": x, "dy": dy, "d_table": d_table,
                        "d_positions": d_positions}


def adamw():
    weight, gradients = values(50), [values(50) for _ in range(3)]
    parameter = torch.nn.Parameter(weight.detach().clone())
    optimizer = torch.optim.AdamW([parameter], lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    for gradient in gradients:
        parameter.grad = gradient.detach()
        optimizer.step()
    yield "adamw", {"weight": weight, "gradients": torch.stack(gradients), "updated": parameter}


def main():
    with h5py.File(FILE, "w") as file:
        file.attrs["made_by"] = f"tests/unit/kernels/golden.py with torch {torch.__version__}"
        for make in (activations, norms, products, cross_entropy, attention, rope, embedding, adamw):
            for primitive, tensors in make():
                for name, tensor in tensors.items():
                    file[f"{primitive}/{name}"] = tensor.detach().float().numpy()


if __name__ == "__main__":
    main()
