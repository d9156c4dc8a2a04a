"""Weights by name, made when a formula first asks for them; all arithmetic is float64 from float32 values."""

import hashlib
import math

import numpy as np
import torch


class Parameters:
    """learned: leaves with gradients. tables: those of them that are embedding tables. running: statistics of BatchNorm."""

    def __init__(self, seed):
        self.seed = seed
        self.learned = {}
        self.tables = {}  # learned name -> rows touched by the last forward pass (bool mask)
        self.running = {}

    def _random(self, name, shape):
        digest = hashlib.sha256(f"{self.seed} {name}".encode()).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little"))).standard_normal(shape)

    def get(self, name, shape, spread, centre=0.0):
        if name not in self.learned:
            value = (centre + spread * self._random(name, shape)).astype(np.float32)
            self.learned[name] = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        parameter = self.learned[name]
        assert list(parameter.shape) == list(shape), f"{name}: {list(parameter.shape)}, now {list(shape)}"
        return parameter

    def matrix(self, name, inputs, outputs):
        return self.get(name, [inputs, outputs], 1.3 / math.sqrt(inputs))

    def bias(self, name, width):
        return self.get(name, [width], 0.3)

    def table(self, name, rows, width):
        if name not in self.tables:
            self.tables[name] = torch.zeros(rows, dtype=torch.bool)
        return self.get(name, [rows, width], 0.6)

    def statistic(self, name, width, centre):
        if name not in self.running:
            value = (centre + 0.2 * np.abs(self._random(name, [width]))).astype(np.float32)
            self.running[name] = torch.tensor(value, dtype=torch.float64)
        return self.running[name]

    def snapshot(self):
        """name -> float64 array, learned and running, in order of names."""
        everything = {**{k: v.detach() for k, v in self.learned.items()}, **self.running}
        return {name: everything[name].numpy().copy() for name in sorted(everything)}

    def restore(self, snapshot):
        for name, value in snapshot.items():
            if name in self.running:
                self.running[name] = torch.tensor(value)
            else:
                self.learned[name] = torch.tensor(value, requires_grad=True)
