"""Configurations: the defaults of MODELS.md, small widths for golden files, and the text that MAL reads."""

import copy
import json

# Defaults of the keys that a model reads (MODELS.md §1-§3).
DEFAULTS = {
    "type": "base",
    "primary": "last",
    "embedding_dim": 16,
    "interaction": {"attention": "din", "din_hidden": 36, "softmax": False, "heads": 4},
    "simtier": {"mode": "embedding", "tiers": 32, "dim": 1, "log1p": False},
    "senet": {"enabled": False, "reduction": 2},
    "layer_norm": True,
    "layer_norm_eps": 1e-5,
    "bottom": [256],
    "tower": [128, 64, 32],
    "activation": "relu",
    "view_weights": [],
    "mal": {"views": [], "view_labels": "own", "cat": True, "detach_knowledge": False, "lambda_view": 0.3,
            "lambda_cat": 0.3, "aka": "shared_bottom", "aka_bottom": [256], "ptp": [256, 128], "knowledge": [128],
            "head": [64, 32]},
    "shared_bottom": {"layers": 3},
    "mmoe": {"experts": 4, "expert": [256]},
    "ple": {"layers": 2, "view_experts": 1, "shared_experts": 1, "expert": [256]},
    "home": {"experts": 1, "expert": 256, "rank": 4, "groups": []},
    "adatt": {"layers": 2, "experts": 1, "expert": [256]},
    "natal": {"lambda_view": 0.3},
    "moae": {"expert": [256], "lambda_view": 0.3},
}

# Every case starts from these: small, no two widths of neighbouring layers alike, so that a swapped axis cannot pass.
SMALL = {
    "embedding_dim": 4,
    "interaction": {"din_hidden": 3},
    "simtier": {"tiers": 4},
    "tower": [5, 4],
}
SMALL_OF_TYPE = {
    "base": {"bottom": [6]},
    "shared_bottom": {"bottom": [6], "shared_bottom": {"layers": 2}},
    "mmoe": {"mmoe": {"experts": 3, "expert": [6]}},
    "ple": {"ple": {"expert": [6]}},
    "home": {"home": {"expert": 6, "rank": 2}},
    "adatt": {"adatt": {"expert": [6]}},
    "natal": {"bottom": [6]},
    "moae": {"moae": {"expert": [6]}},
    "mal": {"mal": {"aka_bottom": [6], "ptp": [8, 7], "knowledge": [7], "head": [5]}},
}


def merge(base, extra):
    merged = copy.deepcopy(base)
    for key, value in extra.items():
        merged[key] = merge(merged[key], value) if isinstance(value, dict) and key in merged else copy.deepcopy(value)
    return merged


def without_none(tree):
    """None takes a key of SMALL_OF_TYPE away that the case's other keys make meaningless."""
    return {k: without_none(v) if isinstance(v, dict) else v for k, v in tree.items() if v is not None}


def yaml(tree, indent=0):
    lines = []
    for key, value in tree.items():
        space = "  " * indent
        if isinstance(value, dict):
            lines += [f"{space}{key}:", yaml(value, indent + 1).rstrip("\n")]
        elif isinstance(value, str):
            lines.append(f"{space}{key}: {value}")
        else:
            lines.append(f"{space}{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


class Config:
    """One case's configuration: `model` with every default, `text` with only what the case sets."""

    def __init__(self, kind, model=None, train=None):
        given = without_none(merge(merge(merge(SMALL, SMALL_OF_TYPE[kind]), {"type": kind}), model or {}))
        self.model = merge(DEFAULTS, given)
        self.reduction = (train or {}).get("reduction", "mean")
        self.multi_task = (train or {}).get("multi_task", "none")
        self.seed = 1
        tree = {"seed": self.seed, "data": {"path": "unused"}, "model": given, "output": "unused"}
        if train:
            tree["train"] = train
        self.text = yaml(tree)
