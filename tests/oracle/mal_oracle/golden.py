"""From a case to its golden file."""

import copy
import json

import numpy as np
import torch

from . import data
from .layers import Network
from .losses import head_loss
from .multi_task import combine
from .optim import Optimizers
from .parameters import Parameters
from .runs import STEPS, WINDOWS, overrides
from .trunk import Trunk
from .zoo import MODELS

MIN_KINK = 1e-5     # of the batch whose gradients are compared
MIN_KINK_RUN = 2e-6  # of the steps of a run: fp32 must not fall on the other side of a ReLU


class Model:
    def __init__(self, schema, config, seed):
        self.schema, self.config = schema, config
        self.p = Parameters(seed)
        self.weight_mean = 1.0  # of the training data's weights

    def heads(self, batch, training):
        for touched in self.p.tables.values():
            touched[:] = False
        net = Network(self.p, self.config.model, training)
        z, widths = Trunk(net, self.schema, batch).z()
        heads = MODELS[self.config.model["type"]](net, z, widths, self.schema.views())
        return heads, net.kink

    def losses(self, heads, batch):
        credits = {view: batch[view]["values"] for view in self.schema.views()}
        weights = [batch[c.name]["values"] / self.weight_mean for c in self.schema.of_kind("weight")]
        return [head_loss(head, credits, self.config.reduction, *weights) for head in heads]

    def backward(self, batch):
        """heads, losses without λ, gradients of Σ λ L (or what train.multi_task makes of them), nearest kink."""
        heads, kink = self.heads(batch, training=True)
        losses = self.losses(heads, batch)
        gradients = combine([h.scale * loss for h, loss in zip(heads, losses)], self.p.learned, self.config.multi_task)
        return heads, losses, gradients, kink

    def logits(self, batch, training):
        with torch.no_grad():
            heads, _ = self.heads(batch, training)
        return torch.cat([h.logits for h in heads], 1).numpy()


def attempt(case, seed):
    """The arrays and metadata of a case, and its distance from the kinks as a part of what is allowed."""
    batch = data.random_batch(case.schema, case.rows, seed)
    case.adjust_batch(batch)
    whole = data.window(batch, 0, case.rows)
    model = Model(case.schema, case.config, seed)
    for column in case.schema.of_kind("weight"):
        model.weight_mean = whole[column.name]["values"].mean()
    model.heads(whole, training=False)  # makes the parameters
    start = model.p.snapshot()
    case.adjust_weights(start)
    model.p.restore(start)
    evaluated = model.logits(whole, training=False)
    heads, losses, gradients, kink = model.backward(whole)
    margin = kink / MIN_KINK

    names = list(start)
    arrays = {
        "weights": flat(start, names),
        "logits": evaluated,
        "training_logits": torch.cat([h.logits for h in heads], 1).detach().numpy(),
        "losses": np.array([loss.item() for loss in losses]),
        "gradients": flat({n: g.detach().numpy() for n, g in gradients.items()}, [n for n in names if n in gradients]),
    }
    for column in case.schema.columns:
        for key, array in batch[column.name].items():
            arrays[f"batch/{column.name}/{key}"] = array

    runs = []
    for run in case.runs:
        model.p.restore(copy.deepcopy(start))
        optimizers = Optimizers(model.p, run)
        for step in range(1, STEPS + 1):
            _, _, gradients, kink = model.backward(data.window(batch, *WINDOWS[(step - 1) % len(WINDOWS)]))
            margin = min(margin, kink / MIN_KINK_RUN)
            optimizers.step(gradients)
            if step in run["snapshots"]:
                arrays[f"after/{run['name']}/{step}"] = flat(model.p.snapshot(), names)
        arrays[f"logits/{run['name']}"] = model.logits(whole, training=False)
        runs.append({"name": run["name"], "set": overrides(run), "total_steps": run["total_steps"],
                     "snapshots": run["snapshots"]})

    for name, array in arrays.items():
        if name.startswith("batch/"):
            continue
        assert np.all(np.isfinite(array)) and np.abs(array).max(initial=0) < 200, f"{case.name}: {name} runs away"
    metadata = {
        "schema": case.schema.yaml(),
        "config": case.config.text,
        "parameters": json.dumps([[n, list(start[n].shape), kind(model.p, n)] for n in names]),
        "heads": json.dumps([[h.name, h.logits.shape[1], h.scale] for h in heads]),
        "windows": json.dumps(WINDOWS),
        "runs": json.dumps(runs),
        "seed": str(seed),
    }
    return arrays, metadata, margin


def kind(parameters, name):
    return "table" if name in parameters.tables else "running" if name in parameters.running else "dense"


def flat(values, names):
    return np.concatenate([values[n].reshape(-1) for n in names])


def compute(case):
    """The first of the case's seeds that stays clear of the kinks."""
    for seed in range(case.seed, case.seed + 1000):
        arrays, metadata, margin = attempt(case, seed)
        if margin >= 1:
            return arrays, metadata, margin
    raise RuntimeError(f"{case.name}: every seed comes too near to a kink")


DTYPES = {"float32": "F32", "int32": "I32", "int64": "I64"}


def safetensors(arrays, metadata):
    """Bytes of a safetensors file; floats become float32."""
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, array in arrays.items():
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        blob = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": DTYPES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(blobs)
