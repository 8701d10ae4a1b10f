"""Makes golden.h5: three training steps of small models as PyTorch makes them, in double precision from float32 weights.

    python tests/unit/train/golden.py        needs torch and h5py; made with torch 2.x, kept in the repository

A group a model, with its run configuration as attribute `run`. before/<tensor> and after/<tensor>: weights in the shapes of
model/parameters.hpp. tokens: [sequences, T + 1], integers stored as float32. losses, norms: of the steps, norms before clipping.
"""
import pathlib
import tomllib

import h5py
import numpy
import torch
import torch.nn.functional as F

FILE = pathlib.Path(__file__).with_name("golden.h5")
VOCABULARY, STEPS, WARMUP = 19, 3, 2
# Norms that are clipped, a decay that shows, and an epsilon that keeps the roundoff of small gradients small.
RUN = """\
[model]
layers = 2
width = 16
heads = 4
context = 12
{model}
[data]
corpus = "golden"
[train]
tokens = {tokens}
global_batch = 4
micro_batch = 2
precision = "fp32"
[optimizer]
learning_rate = 0.05
beta1 = 0.8
beta2 = 0.9
epsilon = 0.001
weight_decay = 0.5
clip_norm = 0.25
[schedule]
name = "wsd"
decay_fraction = 0.0
warmup_tokens = {warmup}
"""
PLAIN = 'kv_heads = 4\nfeed_forward = 24\nnorm = "rms"\nactivation = "gelu"\nposition = "rope"\ntied = true'
OTHER = 'kv_heads = 2\nfeed_forward = 20\nnorm = "layer"\nactivation = "swiglu"\nposition = "learned"\ntied = false'


def initial_weights(model):
    """Tensors by name, not as isoflop draws them; gains and biases away from ones and zeros."""
    d, kv, f = model["width"], model["kv_heads"] * model["width"] // model["heads"], model["feed_forward"]
    shapes = {"embedding.tokens": (VOCABULARY, d)}
    if model["position"] == "learned":
        shapes["embedding.positions"] = (model["context"], d)
    norms = [f"blocks.{layer}.{part}.norm" for layer in range(model["layers"]) for part in ("attention", "feed_forward")]
    for norm in norms + ["final_norm"]:
        shapes[f"{norm}.gain"] = (d,)
        if model["norm"] == "layer":
            shapes[f"{norm}.bias"] = (d,)
    for layer in range(model["layers"]):
        block = f"blocks.{layer}"
        shapes[f"{block}.attention.qkv"] = (d + 2 * kv, d)
        shapes[f"{block}.attention.out"] = (d, d)
        shapes[f"{block}.feed_forward.up"] = (f * (2 if model["activation"] == "swiglu" else 1), d)
        shapes[f"{block}.feed_forward.down"] = (d, f)
    if not model["tied"]:
        shapes["head"] = (VOCABULARY, d)
    weights = {name: torch.randn(*shape).double() / (shape[-1]**0.5 if len(shape) == 2 else 4) for name, shape in shapes.items()}
    for name in weights:
        if name.endswith("gain"):
            weights[name] += 1
    return {name: torch.nn.Parameter(tensor.float().double()) for name, tensor in weights.items()}


def turn(x):
    """Rotary positions as transformers' Llama has them; x: [B, heads, T, width]."""
    tokens, width = x.shape[2:]
    angle = torch.outer(torch.arange(tokens).double(), 1.0 / 10000**(torch.arange(0, width, 2).double() / width)).repeat(1, 2)
    return x * angle.cos() + torch.cat([-x[..., width // 2:], x[..., :width // 2]], dim=-1) * angle.sin()


def loss_of(model, weights, tokens):
    def norm(name, x):
        gain = weights[f"{name}.gain"]
        if model["norm"] == "layer":
            return F.layer_norm(x, gain.shape, gain, weights[f"{name}.bias"], eps=1e-5)
        return F.rms_norm(x, gain.shape, gain, eps=1e-5)

    def attention(block, x):
        width = model["width"] // model["heads"]
        groups = [model["heads"] * width] + [model["kv_heads"] * width] * 2
        q, k, v = (part.unflatten(2, (-1, width)).transpose(1, 2)
                   for part in F.linear(x, weights[f"{block}.attention.qkv"]).split(groups, dim=2))
        if model["position"] == "rope":
            q, k = turn(q), turn(k)
        k, v = (part.repeat_interleave(model["heads"] // model["kv_heads"], dim=1) for part in (k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        return F.linear(mixed, weights[f"{block}.attention.out"])

    def feed_forward(block, x):
        inner = F.linear(x, weights[f"{block}.feed_forward.up"])
        if model["activation"] == "swiglu":
            gate, up = inner.chunk(2, dim=2)
            inner = F.silu(gate) * up
        else:
            inner = F.gelu(inner, approximate="tanh")
        return F.linear(inner, weights[f"{block}.feed_forward.down"])

    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    x = F.embedding(inputs, weights["embedding.tokens"])
    if model["position"] == "learned":
        x = x + weights["embedding.positions"]
    for layer in range(model["layers"]):
        block = f"blocks.{layer}"
        x = x + attention(block, norm(f"{block}.attention.norm", x))
        x = x + feed_forward(block, norm(f"{block}.feed_forward.norm", x))
    logits = F.linear(norm("final_norm", x), weights["embedding.tokens" if model["tied"] else "head"])
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def train(group, model_keys):
    step_tokens = 4 * 12
    text = RUN.format(model=model_keys, tokens=STEPS * step_tokens, warmup=WARMUP * step_tokens)
    run = tomllib.loads(text)
    model, optimizer = run["model"], run["optimizer"]
    weights = initial_weights(model)
    group.attrs["run"] = text
    for name, tensor in weights.items():
        group[f"before/{name}"] = tensor.detach().float().numpy()
    decayed = [tensor for name, tensor in weights.items() if not name.endswith(("gain", "bias"))]
    others = [tensor for name, tensor in weights.items() if name.endswith(("gain", "bias"))]
    adamw = torch.optim.AdamW([{"params": decayed, "weight_decay": optimizer["weight_decay"]},
                               {"params": others, "weight_decay": 0.0}],
                              betas=(optimizer["beta1"], optimizer["beta2"]), eps=optimizer["epsilon"])
    tokens = torch.randint(VOCABULARY, (STEPS * run["train"]["global_batch"], model["context"] + 1))
    losses, norms = [], []
    for step, batch in enumerate(tokens.split(run["train"]["global_batch"])):
        for settings in adamw.param_groups:
            settings["lr"] = optimizer["learning_rate"] * min(1, (step + 1) / WARMUP)
        adamw.zero_grad()
        loss = loss_of(model, weights, batch)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(weights.values(), optimizer["clip_norm"]).item())
        losses.append(loss.item())
        adamw.step()
    for name, tensor in weights.items():
        group[f"after/{name}"] = tensor.detach().float().numpy()
    group["tokens"] = tokens.float().numpy()
    group["losses"], group["norms"] = numpy.float32(losses), numpy.float32(norms)


def main():
    torch.manual_seed(1)
    with h5py.File(FILE, "w") as file:
        file.attrs["made_by"] = f"tests/unit/train/golden.py with torch {torch.__version__}"
        train(file.create_group("plain"), PLAIN)
        train(file.create_group("other"), OTHER)


if __name__ == "__main__":
    main()
