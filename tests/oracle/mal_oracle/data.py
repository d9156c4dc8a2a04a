"""Random batches that hold what is easily forgotten: unseen ids, empty and full lists, credits of 0, 1 and between."""

import numpy as np
import torch

EMPTY_ROW = 11  # every list of this row is empty


def random_batch(schema, rows, seed):
    """name -> {"ids" int32, "lengths" int32, "values" float32}; lists are padded with 0."""
    rng = np.random.Generator(np.random.PCG64(seed))
    batch = {}
    for column in schema.columns:
        data = batch[column.name] = {}
        shape = (rows, column.length) if column.has_length() else (rows,)
        valid = np.ones(shape, dtype=bool)
        if column.has_length():
            lengths = rng.integers(0, column.length + 1, rows)
            lengths[:2] = (column.length, 0)
            if rows > EMPTY_ROW:
                lengths[EMPTY_ROW] = 0
            data["lengths"] = lengths.astype(np.int32)
            valid = np.arange(column.length)[None, :] < lengths[:, None]
        if column.has_table():
            # The last row of the table stays unused: no optimiser but adam_dense may touch it. 0 is "unseen".
            ids = rng.integers(0, max(1, schema.rows[column.table] - 1), shape)
            data["ids"] = np.where(valid, ids, 0).astype(np.int32)
        if column.kind == "scores":
            values = rng.uniform(-1, 1, shape)
            values[0, :2] = (1.0, -1.0)
            values[2:5] = np.round(values[2:5] * 2) / 2  # on the edges of tiers
            data["values"] = np.where(valid, values, 0).astype(np.float32)
        if column.kind == "number":
            data["values"] = rng.normal(0, 1.5, shape).astype(np.float32)
        if column.kind == "credit":
            kind = rng.random(rows)
            credit = np.where(kind < 0.5, 0.0, np.where(kind < 0.7, 1.0, rng.uniform(0.05, 1, rows)))
            credit[:4] = (0.0, 1.0, 0.25, 1e-3)
            data["values"] = credit.astype(np.float32)
        if column.kind == "weight":  # a quarter counts for nothing, and the whole of the third window, one row
            weight = np.where(rng.random(rows) < 0.25, 0.0, rng.uniform(0.1, 20, rows))
            weight[11] = 0.0
            data["values"] = weight.astype(np.float32)
        if column.kind == "group":
            data["keys"] = rng.integers(0, 3, rows)
    return batch


def window(batch, first, count):
    """Rows first … first + count − 1 as tensors."""
    def tensor(key, array):
        return torch.tensor(array[first:first + count], dtype=torch.float64 if key == "values" else torch.int64)

    return {name: {key: tensor(key, array) for key, array in data.items()} for name, data in batch.items()}
