"""The trunk, MODELS.md §2: z = LayerNorm([embeddings; attention outputs; SimTier; numbers])."""

import math

import torch


def positions(length, lengths):
    return torch.arange(length)[None, :] < lengths[:, None]


class Trunk:
    def __init__(self, net, schema, batch):
        self.net, self.schema, self.batch = net, schema, batch
        self.width = net.config["embedding_dim"]

    def rows_of(self, column, ids, valid):
        """Embeddings of ids; those of invalid positions are zero, and their rows are not touched."""
        name = f"embedding/{column.table}"
        table = self.net.p.table(name, self.schema.rows[column.table], self.width)
        self.net.p.tables[name][ids[valid]] = True
        return table[ids] * valid[..., None]

    def single(self, column):
        ids = self.batch[column.name]["ids"]
        return self.rows_of(column, ids, torch.ones_like(ids, dtype=torch.bool))

    def listed(self, column):
        """[B, L, d] embeddings and [B, L] validity of a set or a sequence."""
        data = self.batch[column.name]
        valid = positions(column.length, data["lengths"])
        return self.rows_of(column, data["ids"], valid), valid

    def pooled(self, column, pooling):
        rows, valid = self.listed(column)
        count = valid.sum(1, keepdim=True).clamp(min=1).to(torch.float64)
        return rows.sum(1) / {"sum": torch.ones_like(count), "mean": count, "sqrtn": count.sqrt()}[pooling]

    def target(self, sequence):
        """The ad's own id of the sequence's table; of several the one that the table is named after."""
        found = [c for c in self.schema.of_kind("id") if c.table == sequence.table]
        found = [c for c in found if c.side == "ad"] or found
        return next((c for c in found if c.name == sequence.table), found[0] if found else None)

    def din(self, column, target):
        net, options = self.net, self.net.config["interaction"]
        e, valid = self.listed(column)
        t = self.single(target)[:, None, :].expand_as(e)
        name, hidden = f"attention/{column.name}", options["din_hidden"]
        x = torch.cat([e, t, e - t, e * t], 2)
        x = x @ net.p.matrix(f"{name}/w1", 4 * self.width, hidden) + net.p.bias(f"{name}/b1", hidden)
        x = net.prelu(x, net.p.get(f"{name}/alpha", [hidden], 0.2, 0.25), valid)
        score = (x @ net.p.matrix(f"{name}/w2", hidden, 1) + net.p.bias(f"{name}/b2", 1))[..., 0]
        return (self.weights(score, valid, options["softmax"])[..., None] * e).sum(1)

    @staticmethod
    def weights(score, valid, softmax):
        if not softmax:
            return torch.where(valid, score, torch.zeros_like(score))
        some = valid.any(-1, keepdim=True)
        masked = torch.where(valid | ~some, score, torch.full_like(score, -math.inf))
        return torch.where(valid, torch.softmax(masked, -1), torch.zeros_like(score))

    def mha(self, column):
        net, heads = self.net, self.net.config["interaction"]["heads"]
        d, name = self.width, f"attention/{column.name}"
        per_head = d // heads
        ad = torch.cat([self.embedding(c) for c in self.schema.of_kind("id", "ids") if c.side == "ad"], 1)
        e, valid = self.listed(column)
        length = e.shape[1]
        flat = e.reshape(-1, d)
        q = net.linear(ad, d, f"{name}/query").reshape(-1, 1, heads, per_head)
        k = (flat @ net.p.matrix(f"{name}/key/weight", d, d)).reshape(-1, length, heads, per_head)
        v = net.linear(flat, d, f"{name}/value").reshape(-1, length, heads, per_head)
        score = (q * k).sum(3) / math.sqrt(per_head)  # [B, L, H]
        p = self.weights(score.transpose(1, 2), valid[:, None, :], True).transpose(1, 2)
        o = (p[..., None] * v).sum(1).reshape(-1, d)
        return net.linear(o, d, f"{name}/output") * valid.any(1, keepdim=True)

    def attends(self, column):
        kind = self.net.config["interaction"]["attention"]
        return kind == "mha" or (kind == "din" and self.target(column) is not None)

    def attention(self, column):
        kind = self.net.config["interaction"]["attention"]
        return self.mha(column) if kind == "mha" else self.din(column, self.target(column))

    def embedding(self, column):
        """Of an id, a set, or a sequence that nothing attends to, which is a set too: its mean."""
        if column.kind == "id":
            return self.single(column)
        return self.pooled(column, "mean" if column.kind == "sequence" else column.pooling)

    def simtier(self, column):
        options = self.net.config["simtier"]
        data, tiers = self.batch[column.name], options["tiers"]
        valid = positions(column.length, data["lengths"])
        s = data["values"].clamp(-1, 1)
        tier = ((s + 1) * tiers / 2).floor().to(torch.int64).clamp(max=tiers - 1)
        hit = (tier[..., None] == torch.arange(tiers)) & valid[..., None]
        n = hit.sum(1).to(torch.float64)
        if options["mode"] == "count":
            return torch.log1p(n) if options["log1p"] else n
        r = self.net.p.get(f"simtier/{column.name}/tiers", [tiers, options["dim"]], 0.5)
        return (torch.log2(1 + n)[..., None] * r).reshape(len(n), -1)

    def fields(self):
        """The parts of the concatenation, in order; all numbers are one part."""
        schema = self.schema
        attended = [c for c in schema.of_kind("sequence") if self.attends(c)]
        parts = [self.embedding(c) for c in schema.columns if c.has_table() and c not in attended]
        parts += [self.attention(c) for c in attended]
        if self.net.config["simtier"]["mode"] != "none":
            parts += [self.simtier(c) for c in schema.of_kind("scores")]
        numbers = [self.batch[c.name]["values"] for c in schema.of_kind("number")]
        if numbers:
            parts.append(torch.stack(numbers, 1))
        return parts

    def z(self):
        """z and its fields (the fields of MoAE's SENet are those of z)."""
        parts = self.fields()
        widths = [p.shape[1] for p in parts]
        x = self.net.senet(parts, "senet") if self.net.config["senet"]["enabled"] else torch.cat(parts, 1)
        if self.net.config["layer_norm"]:
            x = self.net.layer_norm(x, "input_norm")
        return x, widths
