"""Where PyTorch has the same thing, the oracle's own formula must agree with it. Run before golden files are written."""

import torch
import torch.nn.functional as F

from .layers import Network
from .optim import SPARSE_DEFAULTS, Optimizers, TouchedRows
from .parameters import Parameters
from .trunk import Trunk


def close(what, mine, theirs):
    if not torch.allclose(mine, theirs, rtol=1e-12, atol=1e-14):
        raise AssertionError(f"selfcheck: {what} differs from PyTorch's by {(mine - theirs).abs().max().item():.3g}")


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def check_layer_norm():
    net = Network(Parameters(1), {"layer_norm_eps": 0.1}, training=True)
    x = random(5, 7)
    y = net.layer_norm(x, "n")
    close("layer norm", y, F.layer_norm(x, [7], net.p.learned["n/gamma"], net.p.learned["n/beta"], 0.1))


def check_batch_norm():
    net = Network(Parameters(1), {}, training=True)
    x = random(5, 7)
    net.batch_norm(x, "n")  # makes the parameters
    theirs = torch.nn.BatchNorm1d(7, dtype=torch.float64)
    with torch.no_grad():
        for mine, name in ((theirs.weight, "n/gamma"), (theirs.bias, "n/beta")):
            mine.copy_(net.p.learned[name])
        theirs.running_mean.copy_(net.p.running["n/mean"])
        theirs.running_var.copy_(net.p.running["n/variance"])
    for rows in (4, 2, 9):
        x = random(rows, 7)
        close("batch norm", net.batch_norm(x, "n"), theirs(x))
        close("batch norm's running mean", net.p.running["n/mean"], theirs.running_mean)
        close("batch norm's running variance", net.p.running["n/variance"], theirs.running_var)
    net.training = False
    close("batch norm in evaluation", net.batch_norm(x, "n"), theirs.eval()(x))


def check_attention_weights():
    score, valid = random(4, 6), torch.arange(6)[None, :] < torch.tensor([6, 1, 3, 0])[:, None]
    mine = Trunk.weights(score, valid, True)
    assert mine[3].abs().sum() == 0, "selfcheck: a row of length 0 has attention weights"
    for row in range(3):
        length = int(valid[row].sum())
        close("softmax over valid positions", mine[row, :length], torch.softmax(score[row, :length], 0))
        assert mine[row, length:].abs().sum() == 0, "selfcheck: padding has attention weights"


def check_touched_rows():
    """Rules on touched rows against torch.optim's with sparse gradients, or with every row touched."""
    for kind, make, all_rows in (
            ("sgd", lambda p: torch.optim.SGD([p], lr=0.05), False),
            ("sgd", lambda p: torch.optim.SGD([p], lr=0.05, momentum=0.9, weight_decay=0.1), True),
            ("adagrad", lambda p: torch.optim.Adagrad([p], lr=0.05, initial_accumulator_value=0.3), False),
            ("adagrad", lambda p: torch.optim.Adagrad([p], lr=0.05, weight_decay=0.1), True),
            ("lazy_adam", lambda p: torch.optim.Adam([p], lr=0.05, weight_decay=0.1), True)):
        theirs = torch.nn.Parameter(random(6, 4))
        torch_rule = make(theirs)
        group = torch_rule.param_groups[0]
        mine = theirs.detach().clone()
        rule = TouchedRows(mine, {**SPARSE_DEFAULTS, "type": kind, "lr": 0.05, "momentum": group.get("momentum", 0.0),
                                  "l2": group["weight_decay"], "eps": group.get("eps", 1e-8),
                                  "initial_accumulator": group.get("initial_accumulator_value", 0.0)})
        for t in range(1, 9):
            touched = torch.ones(6, dtype=torch.bool) if all_rows else torch.arange(6) % 4 == t % 4
            gradient = random(6, 4 + t)[:, :4] * touched[:, None]
            theirs.grad = gradient.clone() if all_rows else gradient.to_sparse(1)
            torch_rule.step()
            rule.step(gradient, touched, 1.0, t)
            close(f"{kind}, step {t}", mine, theirs.detach())


def check_clipping_and_schedule():
    p = Parameters(1)
    p.get("w", [3], 1.0)
    run = {"dense": {"type": "sgd", "lr": 0.5}, "sparse": {}, "total_steps": 12, "warmup_steps": 4,
           "schedule": "cosine", "clip_norm": 0.25}
    start = p.learned["w"].detach().clone()
    optimizers = Optimizers(p, run)
    optimizers.step({"w": torch.tensor([3.0, 0.0, 4.0], dtype=torch.float64)})
    moved = start - p.learned["w"].detach()  # lr · 1/4 of the warm-up · gradient of norm 0.25
    assert torch.allclose(moved, 0.5 / 4 * 0.25 * torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64), rtol=1e-6)
    factors = [optimizers.factor(t) for t in (1, 4, 5, 9, 12)]
    expected = [0.25, 1, 1, 0.5, 0.5 * (1 + torch.cos(torch.tensor(torch.pi * 7 / 8)).item())]
    assert torch.allclose(torch.tensor(factors), torch.tensor(expected)), factors
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(torch.optim.SGD([torch.zeros(1)], lr=1.0), T_max=8)
    for step in range(5, 13):  # PyTorch's own, after the warm-up
        assert abs(cosine.get_last_lr()[0] - optimizers.factor(step)) < 1e-12, step
        cosine.optimizer.step()
        cosine.step()


def run():
    torch.sparse.check_sparse_tensor_invariants.enable()
    for check in (check_layer_norm, check_batch_norm, check_attention_weights, check_touched_rows,
                  check_clipping_and_schedule):
        check()
