"""The network of a model file (mal_gpu_train export, inference_bench make; weights in fp32) in PyTorch: the formulas of
docs/models.md, for the types of TYPES with DIN, SimTier's embedding mode, and lists that are full."""

import json
import struct

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

LAMBDA = 0.3  # of the other views' losses and of CAT's: the default, which a model file does not hold
STATISTICS = ("/norm/mean", "/norm/variance")


def read_model(path):
    """schema, model, name -> array."""
    data = open(path, "rb").read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    about = header.pop("__metadata__")
    types = {"F32": np.float32, "I32": np.int32, "U64": np.uint64, "U8": np.uint8, "U32": np.uint32}
    tensors = {}
    for key, item in header.items():
        begin, end = item["data_offsets"]
        kind = types[item["dtype"]]
        count = (end - begin) // kind().itemsize
        array = np.frombuffer(data, kind, offset=8 + length + begin, count=count) if count else np.empty(0, kind)
        tensors[key] = array.reshape(item["shape"])
    return json.loads(about["schema"]), json.loads(about["model"]), tensors


class Network(nn.Module):
    """train: the weights are parameters, embeddings have sparse gradients, batch norm takes the batch's statistics."""

    def __init__(self, schema, model, tensors, train=False):
        super().__init__()
        if model["type"] not in TYPES:
            raise SystemExit(f"peers: no network of type {model['type']}, only {', '.join(TYPES)}")
        self.model, self.columns, self.trains, self.sparse = model, schema["columns"], train, train
        self.primary = model["primary"]
        self.others = [view for view in schema["views"] if view != self.primary]
        self.views, self.names = schema["views"], {}
        self.act = torch.relu if model["activation"] == "relu" else nn.Identity()
        for key, array in tensors.items():
            if array.dtype == np.float32:
                self.names[key] = "p" + str(len(self.names))
                weights = torch.from_numpy(array.copy())
                if train and not key.endswith(STATISTICS):
                    self.register_parameter(self.names[key], nn.Parameter(weights))
                else:
                    self.register_buffer(self.names[key], weights)

    def tensor(self, key):
        return getattr(self, self.names[key])

    def linear(self, x, name):
        return torch.addmm(self.tensor(name + "/bias"), x, self.tensor(name + "/weight"))

    def mlp(self, x, name, layers, linear_last=False):
        for i in range(layers):
            x = self.linear(x, f"{name}/{i}")
            if not (linear_last and i + 1 == layers):
                x = self.act(x)
        return x

    def tower(self, x, name, layers):
        return self.linear(self.mlp(x, name, layers), name + "/logit")

    # The trunk

    def din(self, e, t, name):
        t = t.unsqueeze(1).expand_as(e)
        h = torch.cat([e, t, e - t, e * t], 2) @ self.tensor(name + "/w1") + self.tensor(name + "/b1")
        h = torch.where(h > 0, h, self.tensor(name + "/alpha") * h)
        score = h @ self.tensor(name + "/w2") + self.tensor(name + "/b2")
        return (score * e).sum(1)

    def simtier(self, scores, name):
        table = self.tensor(name + "/tiers")
        tiers = table.shape[0]
        place = ((scores.clamp(-1, 1) + 1) * (tiers / 2)).long().clamp(max=tiers - 1)
        counts = torch.zeros(scores.shape[0], tiers, device=scores.device)
        counts = counts.scatter_add(1, place, torch.ones_like(scores))
        return torch.log2(1 + counts) * table[:, 0]

    def look_up(self, *inputs):
        """Ids become their embeddings. Apart, since torch.compile has no sparse gradients."""
        return [x if column["kind"] == "scores" else
                F.embedding(x, self.tensor("embedding/" + column["table"]), sparse=self.sparse)
                for column, x in zip(self.columns, inputs)]

    def fields(self, looked_up):
        parts, attended, tiers, embedded = [], [], [], {}
        for column, x in zip(self.columns, looked_up):
            if column["kind"] == "id":
                embedded[column["name"]] = x
                parts.append(x)
        for column, x in zip(self.columns, looked_up):
            if column["kind"] == "sequence":
                attended.append(self.din(x, embedded[column["table"]], "attention/" + column["name"]))
            elif column["kind"] == "scores":
                tiers.append(self.simtier(x, "simtier/" + column["name"]))
        return parts + attended + tiers

    def input_norm(self, z):
        gamma = self.tensor("input_norm/gamma")
        return F.layer_norm(z, gamma.shape, gamma, self.tensor("input_norm/beta"), self.model["layer_norm_eps"])

    # What models share

    def experts(self, x, name, count, layers):
        return [self.mlp(x, f"{name}/{e}", layers) for e in range(count)]

    def gate(self, x, experts, name):
        weights = torch.softmax(self.linear(x, name), 1)
        return sum(weights[:, e : e + 1] * expert for e, expert in enumerate(experts))

    def self_gate(self, x, experts, name):
        scores = self.linear(x, name)
        weights = torch.sigmoid(scores) if len(experts) == 1 else torch.softmax(scores, 1)
        return sum(weights[:, e : e + 1] * expert for e, expert in enumerate(experts))

    def senet(self, z, widths, name):
        squeezed = torch.cat([part.mean(1, keepdim=True) for part in z.split(widths, 1)], 1)
        factors = 2 * torch.sigmoid(self.linear(torch.relu(self.linear(squeezed, name + "/0")), name + "/1"))
        repeated = torch.repeat_interleave(factors, torch.tensor(widths, device=z.device), 1, output_size=z.shape[1])
        return z * repeated

    def home_expert(self, x, name):
        a, b = self.tensor(name + "/feature_gate_a"), self.tensor(name + "/feature_gate_b")
        u = x * 2 * torch.sigmoid(x @ a @ b.T)
        y = F.batch_norm(u @ self.tensor(name + "/weight"), self.tensor(name + "/norm/mean"),
                         self.tensor(name + "/norm/variance"), self.tensor(name + "/norm/gamma"),
                         self.tensor(name + "/norm/beta"), self.trains, 0.1, 1e-5)
        return F.silu(y)

    # One vector a view

    def mmoe(self, z):
        options = self.model["mmoe"]
        experts = self.experts(z, "mmoe/expert", options["experts"], len(options["expert"]))
        return {view: self.gate(z, experts, "mmoe/gate/" + view) for view in self.views}

    def ple(self, z):
        options = self.model["ple"]
        layers = len(options["expert"])
        x, shared_input = {view: z for view in self.views}, z
        for level in range(options["layers"]):
            name = f"ple/{level}"
            own = {v: self.experts(x[v], f"{name}/{v}", options["view_experts"], layers) for v in self.views}
            shared = self.experts(shared_input, name + "/shared", options["shared_experts"], layers)
            new = {v: self.gate(x[v], own[v] + shared, f"{name}/gate/{v}") for v in self.views}
            if level + 1 < options["layers"]:
                everything = [expert for v in self.views for expert in own[v]] + shared
                shared_input = self.gate(shared_input, everything, name + "/gate/shared")
            x = new
        return x

    def home(self, z):
        count = self.model["home"]["experts"]
        single = [v for v in self.views if v in ("last", "first")]
        groups = self.model["home"]["groups"] or [single, [v for v in self.views if v not in single]]
        groups = [group for group in groups if group]

        def experts(x, name):
            return [self.home_expert(x, f"{name}/{j}") for j in range(count)]

        shared = experts(z, "home/meta/global")
        own = [experts(z, f"home/meta/group{g}") for g in range(len(groups))]
        m = [self.gate(z, own[g] + shared, f"home/meta/gate/group{g}") + self.self_gate(z, own[g], f"home/meta/self/group{g}")
             for g in range(len(groups))]
        everything = [expert for group in own for expert in group] + shared
        m_s = self.gate(z, everything, "home/meta/gate/global") + self.self_gate(z, shared, "home/meta/self/global")
        shared, x = experts(m_s, "home/view/global"), {}
        for g, group in enumerate(groups):
            of_group, q = experts(m[g], f"home/view/group{g}"), torch.cat([m[g], m_s], 1)
            for view in group:
                mine = experts(m[g], f"home/view/{view}")
                x[view] = (self.gate(q, mine + of_group + shared, f"home/view/gate/{view}")
                           + self.self_gate(q, mine, f"home/view/self/{view}"))
        return x

    def adatt(self, z):
        options = self.model["adatt"]
        x = {view: z for view in self.views}
        for level in range(options["layers"]):
            name = f"adatt/{level}"
            own = {v: self.experts(x[v], f"{name}/{v}", options["experts"], len(options["expert"])) for v in self.views}
            everything = [expert for v in self.views for expert in own[v]]
            new = {}
            for view in self.views:
                native = self.tensor(f"{name}/native/{view}")
                new[view] = (self.gate(x[view], everything, f"{name}/gate/{view}")
                             + sum(native[e] * expert for e, expert in enumerate(own[view])))
            x = new
        return x

    # Heads: (view or "cat", logits, weight of the loss), the primary one first

    def of_views(self, x):
        depth = len(self.model["tower"])
        return [(v, self.tower(x[v], "tower/" + v, depth), 1.0) for v in [self.primary, *self.others]]

    def base(self, z, widths):
        v = self.mlp(z, "bottom", len(self.model["bottom"]))
        return [(self.primary, self.tower(v, "tower", len(self.model["tower"])), 1.0)]

    def injected(self, start, name):
        a, h = {v: start[v] for v in self.others}, start[self.primary]
        for k in range(len(self.model["tower"])):
            a = {v: self.act(self.linear(a[v], f"{name}/{v}/{k}")) for v in self.others}
            h = self.act(self.linear(h, f"{name}/primary/{k}"))
            h = self.act(self.linear(torch.cat([h, *a.values()], 1), f"{name}/inject/{k}") + h)
        return [(self.primary, self.linear(h, name + "/primary/logit"), 1.0),
                *((v, self.linear(a[v], f"{name}/{v}/logit"), LAMBDA) for v in self.others)]

    def natal(self, z, widths):
        v = self.mlp(z, "bottom", len(self.model["bottom"]))
        return self.injected({view: v for view in self.views}, "natal")

    def moae(self, z, widths):
        layers = len(self.model["moae"]["expert"])

        def expert(name):
            return self.mlp(self.senet(z, widths, name + "/senet"), name, layers)

        public = expert("moae/public")
        names = {v: "primary" if v == self.primary else v for v in self.views}
        return self.injected({v: torch.cat([public, expert("moae/private/" + names[v])], 1) for v in self.views}, "moae")

    def mal(self, z, widths):
        mal, depth = self.model["mal"], len(self.model["tower"])
        v = self.mlp(z, "aka/bottom", len(mal["aka_bottom"]))
        tasks = (mal["views"] or self.views) + (["cat"] if mal["cat"] else [])
        hidden = [self.mlp(v, "aka/" + task, depth) for task in tasks]
        fusion = self.mlp(z, "ptp/bottom", len(mal["ptp"]))
        fusion = fusion + self.mlp(torch.cat(hidden, 1), "ptp/knowledge", len(mal["knowledge"]), linear_last=True)
        primary = [(self.primary, self.tower(fusion, "ptp/head", len(mal["head"])), 1.0)]
        if not self.trains:
            return primary
        return primary + [(task, self.linear(h, f"aka/{task}/logit"), LAMBDA) for h, task in zip(hidden, tasks)]

    def heads(self, *looked_up):
        fields = self.fields(looked_up)
        z = self.input_norm(torch.cat(fields, 1))
        kind = self.model["type"]
        if kind in ("mmoe", "ple", "home", "adatt"):
            return self.of_views(getattr(self, kind)(z))
        return getattr(self, kind)(z, [part.shape[1] for part in fields])

    def forward(self, *inputs):
        return torch.sigmoid(self.heads(*self.look_up(*inputs))[0][1])[:, 0]


TYPES = ("base", "mal", "mmoe", "ple", "home", "adatt", "natal", "moae")


def make_network(schema, model, tensors, train=False):
    return Network(schema, model, tensors, train).train(train)


def loss_of(heads, credits, views):
    """Σ λ L: the weighted BCE of each view (MAL Eq. 1), the softmax of CAT. credits: view -> [B]."""
    def view_loss(logit, credit):
        label = (credit > 0).float()
        weight = label * credit + 1 - label
        return (weight * F.binary_cross_entropy_with_logits(logit[:, 0].float(), label, reduction="none")).mean()

    total = 0.0
    for name, logit, scale in heads:
        if name == "cat":
            classes = sum((credits[view] > 0).long() << k for k, view in enumerate(views))
            total = total + scale * F.cross_entropy(logit.float(), classes)
        else:
            total = total + scale * view_loss(logit, credits[name])
    return total
