"""The models, MODELS.md §3: from z to heads."""

from dataclasses import dataclass

import torch

from .sharing import SHARING


@dataclass
class Head:
    name: str
    logits: torch.Tensor
    labels: list  # views; more than one: the Cartesian product of their labels
    scale: float
    cartesian: bool = False


def view_weight(config, views, view):
    weights = config["view_weights"]
    return weights[views.index(view)] if weights else 1.0


def primary_first(config, views):
    return [config["primary"]] + [v for v in views if v != config["primary"]]


def base(net, z, widths, views):
    config = net.config
    v = net.mlp(z, config["bottom"], "bottom")
    return [Head("primary", net.tower(v, config["tower"], 1, "tower")[1], [config["primary"]], 1.0)]


def heads_of_views(net, views, logits):
    config = net.config
    return [Head("primary" if v == config["primary"] else f"view/{v}", logits[v], [v], view_weight(config, views, v))
            for v in primary_first(config, views)]


def shared_bottom(net, z, widths, views):
    config = net.config
    chain, layers = config["bottom"] + config["tower"], config["shared_bottom"]["layers"]
    v = net.mlp(z, chain[:layers], "bottom")
    return heads_of_views(net, views, {a: net.tower(v, chain[layers:], 1, f"tower/{a}")[1] for a in views})


def standalone(net, z, widths, views):
    config = net.config
    x = SHARING[config["type"]](net, z, views, "")
    return heads_of_views(net, views, {a: net.tower(x[a], config["tower"], 1, f"tower/{a}")[1] for a in views})


def injected(net, start, views, name, scale):
    """NATAL's towers: the auxiliary views' hidden states enter the primary one at every depth. start: view -> input."""
    config = net.config
    auxiliary = [v for v in views if v != config["primary"]]
    a, h = {v: start[v] for v in auxiliary}, start[config["primary"]]
    for k, width in enumerate(config["tower"]):
        for v in auxiliary:
            a[v] = net.act(net.linear(a[v], width, f"{name}/{v}/{k}"))
        h = net.act(net.linear(h, width, f"{name}/primary/{k}"))
        h = net.act(net.linear(torch.cat([h, *a.values()], 1), width, f"{name}/inject/{k}") + h)
    heads = [Head("primary", net.linear(h, 1, f"{name}/primary/logit"), [config["primary"]], 1.0)]
    return heads + [Head(f"view/{v}", net.linear(a[v], 1, f"{name}/{v}/logit"), [v],
                         scale * view_weight(config, views, v)) for v in auxiliary]


def natal(net, z, widths, views):
    v = net.mlp(z, net.config["bottom"], "bottom")
    return injected(net, {a: v for a in views}, views, "natal", net.config["natal"]["lambda_view"])


def moae(net, z, widths, views):
    config, options = net.config, net.config["moae"]
    fields = list(torch.split(z, widths, 1))

    def expert(name):
        return net.mlp(net.senet(fields, f"{name}/senet"), options["expert"], name)

    public = expert("moae/public")
    start = {}
    for view in primary_first(config, views):
        tower = "primary" if view == config["primary"] else view
        start[view] = torch.cat([public, expert(f"moae/private/{tower}")], 1)
    return injected(net, start, views, "moae", options["lambda_view"])


def mal(net, z, widths, views):
    config, options = net.config, net.config["mal"]
    supervising = options["views"] or views
    tasks = supervising + (["cat"] if options["cat"] else [])
    if options["aka"] == "shared_bottom":
        v = net.mlp(z, options["aka_bottom"], "aka/bottom")
        x = {task: v for task in tasks}
    else:
        x = SHARING[options["aka"]](net, z, tasks, "aka/")
    outputs = {task: 2 ** len(supervising) if task == "cat" else 1 for task in tasks}
    towers = {task: net.tower(x[task], config["tower"], outputs[task], f"aka/{task}") for task in tasks}

    knowledge = torch.cat([towers[task][0] for task in tasks], 1)
    if options["detach_knowledge"]:
        knowledge = knowledge.detach()
    v_p = net.mlp(z, options["ptp"], "ptp/bottom")
    v_a = net.mlp(knowledge, options["knowledge"], "ptp/knowledge", linear_last=True)
    logit = net.tower(v_p + v_a, options["head"], 1, "ptp/head")[1]

    def labels(view):
        return config["primary"] if options["view_labels"] == "primary" else view

    heads = [Head("primary", logit, [config["primary"]], 1.0)]
    heads += [Head(f"aka/{a}", towers[a][1], [labels(a)], options["lambda_view"] * view_weight(config, views, a))
              for a in supervising]
    if options["cat"]:
        heads.append(Head("aka/cat", towers["cat"][1], [labels(a) for a in supervising], options["lambda_cat"], True))
    return heads


MODELS = {"base": base, "shared_bottom": shared_bottom, "mmoe": standalone, "ple": standalone, "home": standalone,
          "adatt": standalone, "natal": natal, "moae": moae, "mal": mal}
