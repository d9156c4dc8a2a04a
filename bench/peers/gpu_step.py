#!/usr/bin/env python3
"""One training step of MAL as the preset train/configs/mal.yaml has it, in PyTorch: what scripts/gpu_check.sh compares with.

    gpu_step.py [--device cuda] [--batch 4096] [--rows 1000000] [--steps 50] [--precision tf32] [--compile]

Random batches of the simulated platform's shapes (15 ids, three sequences of 20 with target attention, two of scores,
4 views and their Cartesian product), already on the device; Adam for the layers and SparseAdam for the tables. Prints
one JSON line: samples a second, and the time of a step.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn

IDS, SEQUENCES, SCORES, VIEWS = 15, 3, 2, 4
LENGTH, WIDTH, DIN, TIERS = 20, 16, 36, 32


def mlp(inputs, widths, last_linear=False):
    layers = []
    for i, width in enumerate(widths):
        layers.append(nn.Linear(inputs, width))
        if not (last_linear and i + 1 == len(widths)):
            layers.append(nn.ReLU())
        inputs = width
    return nn.Sequential(*layers)


class Din(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.act, self.out = nn.Linear(4 * WIDTH, DIN), nn.PReLU(DIN), nn.Linear(DIN, 1)

    def forward(self, e, t, valid):
        t = t[:, None, :].expand_as(e)
        x = self.hidden(torch.cat([e, t, e - t, e * t], 2))
        score = self.out(self.act(x.flatten(0, 1)).view_as(x))[..., 0] * valid
        return (score[..., None] * e).sum(1)


class Mal(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(rows, WIDTH, sparse=True) for _ in range(IDS))
        self.din = nn.ModuleList(Din() for _ in range(SEQUENCES))
        self.tiers = nn.ParameterList(nn.Parameter(torch.randn(TIERS) * 0.1) for _ in range(SCORES))
        inputs = (IDS + SEQUENCES) * WIDTH + SCORES * TIERS
        self.norm = nn.LayerNorm(inputs)
        self.aka = mlp(inputs, [256])
        self.towers = nn.ModuleList(mlp(256, [128, 64, 32]) for _ in range(VIEWS + 1))
        self.logits = nn.ModuleList(nn.Linear(32, 1) for _ in range(VIEWS))
        self.cat = nn.Linear(32, 2 ** VIEWS)
        self.ptp = mlp(inputs, [256, 128])
        self.knowledge = mlp(32 * (VIEWS + 1), [128], last_linear=True)
        self.head, self.primary = mlp(128, [64, 32]), nn.Linear(32, 1)

    def looked_up(self, ids, sequences):
        """Outside of the compiled part: sparse gradients."""
        return ([table(ids[:, i]) for i, table in enumerate(self.tables)],
                [self.tables[i](sequences[:, i]) for i in range(SEQUENCES)])

    def forward(self, single, listed, valid, scores):
        parts = list(single)
        for i in range(SEQUENCES):
            parts.append(self.din[i](listed[i] * valid[:, i, :, None], single[i], valid[:, i]))
        for i in range(SCORES):
            tier = ((scores[:, i].clamp(-1, 1) + 1) * (TIERS / 2)).long().clamp(max=TIERS - 1)
            count = F.one_hot(tier, TIERS).sum(1).float()
            parts.append(torch.log2(1 + count) * self.tiers[i])
        z = self.norm(torch.cat(parts, 1))
        v = self.aka(z)
        knowledge = [tower(v) for tower in self.towers]
        heads = [logit(k) for logit, k in zip(self.logits, knowledge)]
        fused = self.ptp(z) + self.knowledge(torch.cat(knowledge, 1))
        return self.primary(self.head(fused)), heads, self.cat(knowledge[-1])


def loss_of(primary, heads, cat, credits):
    label, weight = (credits > 0).float(), torch.where(credits > 0, credits, torch.ones_like(credits))
    bce = lambda x, v: F.binary_cross_entropy_with_logits(x[:, 0], label[:, v], weight[:, v])
    joint = (label.long() * 2 ** torch.arange(VIEWS, device=label.device)).sum(1)
    return bce(primary, 0) + 0.3 * sum(bce(x, v) for v, x in enumerate(heads)) + 0.3 * F.cross_entropy(cat, joint)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--precision", choices=["fp32", "tf32"], default="tf32")
    parser.add_argument("--compile", action="store_true")
    o = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = o.precision == "tf32"
    torch.manual_seed(1)
    model = Mal(o.rows).to(o.device)
    dense = [p for name, p in model.named_parameters() if not name.startswith("tables")]
    optimizers = [torch.optim.Adam(dense, fused=o.device.startswith("cuda")),
                  torch.optim.SparseAdam(list(model.tables.parameters()))]
    batches = []
    for _ in range(4):
        lengths = torch.randint(0, LENGTH + 1, (o.batch, SEQUENCES))
        batches.append([t.to(o.device) for t in (
            torch.randint(0, o.rows, (o.batch, IDS)), torch.randint(0, o.rows, (o.batch, SEQUENCES, LENGTH)),
            (torch.arange(LENGTH) < lengths[..., None]).float(), torch.rand(o.batch, SCORES, LENGTH) * 2 - 1,
            torch.relu(torch.rand(o.batch, VIEWS) * 2 - 1))])
    forward = torch.compile(model) if o.compile else model

    def step(i):
        ids, sequences, valid, scores, credits = batches[i % len(batches)]
        for optimizer in optimizers:
            optimizer.zero_grad()
        single, listed = model.looked_up(ids, sequences)
        loss = loss_of(*forward(single, listed, valid, scores), credits)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss

    def wait():
        if o.device.startswith("cuda"):
            torch.cuda.synchronize()

    for i in range(10):
        loss = step(i)
    wait()
    start = time.perf_counter()
    for i in range(o.steps):
        loss = step(i)
    wait()
    seconds = (time.perf_counter() - start) / o.steps
    assert torch.isfinite(loss)
    print(json.dumps({"what": "torch.compile" if o.compile else "torch eager", "batch": o.batch,
                      "precision": o.precision, "step_ms": 1000 * seconds, "samples_per_second": o.batch / seconds}))


if __name__ == "__main__":
    main()
