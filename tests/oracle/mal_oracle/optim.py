"""Optimisers. torch.optim's own where there is one (dense sgd, adagrad, adam, adamw; sparse adam_dense); the others, which
change only the rows of the batch, are written from their papers."""

import math

import torch

DENSE_DEFAULTS = {"type": "adam", "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "l2": 0.0, "momentum": 0.0,
                  "initial_accumulator": 0.0}
SPARSE_DEFAULTS = {"type": "lazy_adam", "lr": 1e-3, "alpha": 1e-3, "beta": 1.0, "beta1": 0.9, "beta2": 0.999,
                   "eps": 1e-8, "l1": 0.0, "l2": 0.0, "momentum": 0.0, "initial_accumulator": 0.0}


def rate_factor(step, schedule, warmup, total):
    """step from 1: step / warmup while warming up, then 1 or half a cosine that reaches 0 after `total` steps."""
    if step <= warmup:
        return step / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - 1 - warmup) / (total - warmup)))


def torch_optimizer(tensors, o):
    kind, lr, l2 = o["type"], o["lr"], o["l2"]
    betas = (o["beta1"], o["beta2"])
    if kind == "sgd":
        return torch.optim.SGD(tensors, lr=lr, momentum=o["momentum"], weight_decay=l2)
    if kind == "adagrad":
        return torch.optim.Adagrad(tensors, lr=lr, eps=o["eps"], weight_decay=l2,
                                   initial_accumulator_value=o["initial_accumulator"])
    if kind in ("adam", "adam_dense"):
        return torch.optim.Adam(tensors, lr=lr, betas=betas, eps=o["eps"], weight_decay=l2)
    assert kind == "adamw", kind
    return torch.optim.AdamW(tensors, lr=lr, betas=betas, eps=o["eps"], weight_decay=l2)


class TouchedRows:
    """One table under a rule that changes only the rows of the batch; duplicates in a batch are one gradient."""

    def __init__(self, table, options):
        self.w, self.o = table, options
        start = options["initial_accumulator"]
        width = 1 if options["type"] == "rowwise_adagrad" else table.shape[1]
        self.first = torch.zeros_like(table)  # momentum, Adam's first moment, FTRL's z
        self.second = torch.full((len(table), width), start, dtype=torch.float64)  # Σ g² or Adam's second moment

    @torch.no_grad()
    def step(self, gradient, touched, factor, t):
        o, rows = self.o, touched.nonzero()[:, 0]
        w, g = self.w[rows], gradient[rows]
        first, second = self.first[rows], self.second[rows]
        if o["type"] == "ftrl":  # McMahan et al. 2013, Algorithm 1
            rate = o["alpha"] * factor
            sigma = ((second + g * g).sqrt() - second.sqrt()) / rate
            first = first + g - sigma * w
            second = second + g * g
            shrunk = first - first.sign() * o["l1"]
            w = torch.where(first.abs() <= o["l1"], torch.zeros_like(w),
                            -shrunk / ((o["beta"] + second.sqrt()) / rate + o["l2"]))
        else:
            rate = o["lr"] * factor
            g = g + o["l2"] * w
            if o["type"] == "sgd":
                first = o["momentum"] * first + g
                w = w - rate * first
            elif o["type"] == "adagrad":
                second = second + g * g
                w = w - rate * g / (second.sqrt() + o["eps"])
            elif o["type"] == "rowwise_adagrad":  # one accumulator a row: the mean of the squares
                second = second + (g * g).mean(1, keepdim=True)
                w = w - rate * g / (second.sqrt() + o["eps"])
            elif o["type"] == "lazy_adam":  # Adam at step t of the run, on these rows alone
                first = o["beta1"] * first + (1 - o["beta1"]) * g
                second = o["beta2"] * second + (1 - o["beta2"]) * g * g
                m, v = first / (1 - o["beta1"] ** t), second / (1 - o["beta2"] ** t)
                w = w - rate * m / (v.sqrt() + o["eps"])
            else:
                raise ValueError(o["type"])
        self.w[rows], self.first[rows], self.second[rows] = w, first, second


class Optimizers:
    """One step of everything: clipping by the global norm, the schedule, both groups."""

    def __init__(self, parameters, run):
        self.p, self.run, self.t = parameters, run, 0
        dense = {**DENSE_DEFAULTS, **run["dense"]}
        sparse = {**SPARSE_DEFAULTS, **run["sparse"]}
        tables = [parameters.learned[name] for name in parameters.tables]
        layers = [p for name, p in parameters.learned.items() if name not in parameters.tables]
        self.torch = [torch_optimizer(layers, dense)]
        self.rows = {}
        if sparse["type"] == "adam_dense":
            self.torch.append(torch_optimizer(tables, sparse))
        else:
            for name in parameters.tables:
                self.rows[name] = TouchedRows(parameters.learned[name].detach(), sparse)
        self.schedulers = [torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: self.factor(epoch + 1))
                           for o in self.torch]

    def factor(self, step):
        run = self.run
        return rate_factor(step, run.get("schedule", "constant"), run.get("warmup_steps", 0), run["total_steps"])

    def step(self, gradients):
        """gradients: name -> tensor of every learned parameter."""
        self.t += 1
        clip = self.run.get("clip_norm", 0)
        for name, parameter in self.p.learned.items():
            parameter.grad = gradients[name].clone()
        if clip:
            torch.nn.utils.clip_grad_norm_(list(self.p.learned.values()), clip)
        for name, rule in self.rows.items():
            rule.step(self.p.learned[name].grad, self.p.tables[name], self.factor(self.t), self.t)
        for optimizer, scheduler in zip(self.torch, self.schedulers):
            optimizer.step()
            scheduler.step()
