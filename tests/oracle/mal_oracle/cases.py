"""The golden cases: every model and every option, each with what is most easily got wrong in it."""

import dataclasses
import zlib
from typing import Callable

from . import runs, schema as schemas
from .config import Config

CASES = []


def nothing(_):
    pass


@dataclasses.dataclass
class Case:
    name: str
    schema: schemas.Schema
    config: Config
    runs: list
    seed: int
    adjust_batch: Callable = nothing
    adjust_weights: Callable = nothing
    rows: int = 16


def case(name, kind, model=None, train=None, schema=None, runs=runs.STANDARD, **more):
    CASES.append(Case(name, schema or schemas.small(), Config(kind, model, train), runs,
                      zlib.crc32(name.encode()) % 10**6, **more))


def variant(*arguments, **options):
    """A case that differs little from one with every run."""
    case(*arguments, runs=runs.FEW, **options)


THREE_VIEWS = schemas.small(("last", "linear", "mta"))
TWO_VIEWS = schemas.small(("last", "mta"))


def din(**options):
    return {"interaction": {"attention": "din", "din_hidden": 3, **options}}


def within_mal(aka, **options):
    return {"aka": aka, "aka_bottom": None, **options}


NO_ATTENTION = {"interaction": {"attention": "none"}}
MHA = {"interaction": {"attention": "mha", "heads": 2}}


def large_logits(weights):
    """Logits of tens: a loss by way of the rounded probability would be infinite."""
    for name in ("tower/logit/weight", "ptp/head/logit/weight", "aka/mta/logit/weight", "aka/cat/logit/weight"):
        if name in weights:
            weights[name] *= 40.0


def no_positives(batch):
    batch["last"]["values"][:] = 0


# ---- the trunk, under the smallest model
case("base", "base")
case("base_optimizers", "base", {"bottom": [], "tower": [4]}, schema=TWO_VIEWS, runs=runs.EVERY_RULE)
case("base_primary_mta", "base", {"primary": "mta"})
case("base_linear_activation", "base", {"activation": "none", "bottom": [7, 8]})
case("base_large_logits", "base", adjust_weights=large_logits, runs=[])
case("base_width_one", "base", {"embedding_dim": 1, "interaction": {"attention": "din", "din_hidden": 1},
                                "simtier": {"tiers": 1}, "bottom": [1], "tower": [1]})
case("base_no_positives", "base", adjust_batch=no_positives)
case("base_plain", "base", schema=schemas.plain())
case("base_mixed_order", "base", {"primary": "mta"}, schema=schemas.mixed_order())
case("base_shared_tables", "base", schema=schemas.shared())
case("base_target_is_the_ads", "base", schema=schemas.users_brand())
case("base_din_softmax", "base", din(softmax=True))
case("base_din_softmax_shared_tables", "base", din(softmax=True), schema=schemas.shared())
case("base_attention_none", "base", NO_ATTENTION)
case("base_attention_none_shared_tables", "base", NO_ATTENTION, schema=schemas.shared())
case("base_simtier_count", "base", {"simtier": {"mode": "count", "tiers": 4}})
case("base_simtier_count_log1p", "base", {"simtier": {"mode": "count", "tiers": 4, "log1p": True}})
case("base_simtier_dim3", "base", {"simtier": {"mode": "embedding", "tiers": 5, "dim": 3}}, schema=schemas.shared())
case("base_simtier_none", "base", {"simtier": {"mode": "none"}})
case("base_no_layer_norm", "base", {"layer_norm": False})
case("base_layer_norm_large_eps", "base", {"layer_norm_eps": 0.5})
case("base_reduction_sum", "base", train={"reduction": "sum"})
case("base_reduction_weight_mean", "base", train={"reduction": "weight_mean"})

# Rows for several blocks of every kernel, widths above those of a vector register and of a block of inputs.
MANY = {"embedding_dim": 17, **din(din_hidden=36), "bottom": [35], "simtier": {"tiers": 32}}
case("base_many_rows", "base", MANY, schema=schemas.many_values(), rows=300, runs=[])

# ---- MAL and its ablations
case("mal", "mal")
variant("mal_shared_tables", "mal", schema=schemas.shared())
variant("mal_one_view", "mal", schema=schemas.small(("last",)))
case("mal_two_views", "mal", {"primary": "mta"}, schema=TWO_VIEWS)
variant("mal_five_views", "mal", {"primary": "position"},
        schema=schemas.small(("linear", "last", "position", "mta", "first")))
variant("mal_views_in_another_order", "mal", {"primary": "linear", "mal": {"views": ["mta", "first", "last"]}})
variant("mal_primary_not_in_views", "mal", {"primary": "linear", "mal": {"views": ["first"]}})
case("mal_without_cat", "mal", {"mal": {"cat": False}})
case("mal_primary_labels", "mal", {"primary": "first", "mal": {"view_labels": "primary"}})
variant("mal_detach_knowledge", "mal", {"mal": {"detach_knowledge": True}})
variant("mal_lambdas", "mal", {"mal": {"lambda_view": 0.7, "lambda_cat": 1.6}})
variant("mal_reduction_sum", "mal", train={"reduction": "sum"}, schema=TWO_VIEWS)
variant("mal_reduction_weight_mean", "mal", train={"reduction": "weight_mean"})
case("mal_large_logits", "mal", schema=TWO_VIEWS, adjust_weights=large_logits, runs=[])
case("mal_many_rows", "mal", schema=schemas.many_values(), rows=300, runs=[])
variant("mal_no_bottom_no_head", "mal", {"mal": {"aka_bottom": [], "head": [], "ptp": [8], "knowledge": [9, 8]}})
variant("mal_softmax_count_no_norm", "mal", {**din(softmax=True), "simtier": {"mode": "count", "tiers": 4},
                                             "layer_norm": False})

# ---- the other models
for kind in ("shared_bottom", "mmoe", "ple", "home", "adatt", "natal", "moae"):
    case(kind, kind, schema=THREE_VIEWS)
    variant(f"{kind}_primary_linear", kind, {"primary": "linear", "view_weights": [0.5, 1, 2, 0.25]})
    variant(f"{kind}_one_view", kind, schema=schemas.small(("last",)))
    variant(f"{kind}_two_views", kind, {"primary": "mta"}, train={"reduction": "weight_mean"}, schema=TWO_VIEWS)
variant("shared_bottom_one_layer", "shared_bottom", {"shared_bottom": {"layers": 1}, "tower": [6, 5, 4]})
variant("shared_bottom_into_towers", "shared_bottom", {"bottom": [7, 8], "tower": [6, 5, 4],
                                                       "shared_bottom": {"layers": 4}})
variant("mmoe_deep_experts", "mmoe", {"mmoe": {"experts": 2, "expert": [7, 6]}})
variant("mmoe_one_expert", "mmoe", {"mmoe": {"experts": 1, "expert": [6]}})
variant("ple_one_layer", "ple", {"ple": {"layers": 1, "expert": [6]}})
variant("ple_many_experts", "ple", {"ple": {"layers": 3, "view_experts": 2, "shared_experts": 3, "expert": [5, 4]}},
        schema=THREE_VIEWS)
variant("home_two_experts", "home", {"home": {"experts": 2, "expert": 5, "rank": 3}}, schema=THREE_VIEWS)
variant("home_groups", "home", {"home": {"experts": 1, "expert": 5, "rank": 2,
                                         "groups": [["mta"], ["first", "linear"], ["last"]]}})
variant("adatt_two_experts", "adatt", {"adatt": {"layers": 3, "experts": 2, "expert": [5, 4]}}, schema=THREE_VIEWS)
variant("natal_lambda", "natal", {"natal": {"lambda_view": 0.9}, "bottom": [7, 8], "tower": [6, 5, 4]})
variant("moae_lambda", "moae", {"moae": {"expert": [7, 6], "lambda_view": 0.9}, "senet": {"reduction": 3}},
        schema=schemas.shared())

for kind in ("mmoe", "home", "adatt", "moae"):
    case(f"{kind}_many_rows", kind, schema=TWO_VIEWS, rows=140, runs=[])

# ---- the same within MAL
for aka, sizes in (("mmoe", {"mmoe": {"experts": 3, "expert": [6]}}), ("ple", {"ple": {"expert": [6]}}),
                   ("home", {"home": {"expert": 5, "rank": 2}})):
    case(f"mal_{aka}", "mal", {"mal": within_mal(aka), **sizes}, schema=THREE_VIEWS)
    variant(f"mal_{aka}_without_cat", "mal", {"mal": within_mal(aka, cat=False, views=["mta", "last"]), **sizes})
variant("mal_home_groups", "mal", {"mal": within_mal("home"),
                                   "home": {"experts": 1, "expert": 5, "rank": 2,
                                            "groups": [["mta", "last"], ["first", "linear"]]}})
variant("mal_view_weights", "mal", {"view_weights": [0.5, 1, 2, 0.25]})

# ---- SENet and multi-head attention in the trunk
case("base_senet", "base", {"senet": {"enabled": True}})
case("base_senet_shared_tables", "base", {"senet": {"enabled": True, "reduction": 4}, "layer_norm": False},
     schema=schemas.shared())
variant("base_senet_one_unit", "base", {"senet": {"enabled": True, "reduction": 100}})
case("base_mha", "base", MHA)
variant("base_mha_one_head", "base", {"interaction": {"attention": "mha", "heads": 1}}, schema=schemas.shared())
case("base_mha_shared_tables", "base", {"interaction": {"attention": "mha", "heads": 4}}, schema=schemas.shared())
variant("mal_mha_senet", "mal", {**MHA, "senet": {"enabled": True}}, schema=TWO_VIEWS)
variant("moae_senet", "moae", {"senet": {"enabled": True}}, schema=TWO_VIEWS)

case("base_mha_many_rows", "base", MHA, schema=TWO_VIEWS, rows=140, runs=[])

# ---- multi-task optimisation
case("shared_bottom_pcgrad", "shared_bottom", train={"multi_task": "pcgrad"}, schema=TWO_VIEWS)
case("shared_bottom_gcs", "shared_bottom", train={"multi_task": "gcs"})
variant("mmoe_gcs", "mmoe", {"primary": "mta"}, train={"multi_task": "gcs"}, schema=THREE_VIEWS)
variant("mal_gcs", "mal", train={"multi_task": "gcs"}, schema=TWO_VIEWS)
variant("mal_pcgrad", "mal", {"mal": {"cat": False, "views": ["mta"]}}, train={"multi_task": "pcgrad"})

# ---- weights of the rows
for reduction in ("mean", "sum", "weight_mean"):
    variant(f"mal_row_weights_{reduction}", "mal", train={"reduction": reduction},
            schema=schemas.weighted(("last", "mta")))
variant("base_row_weights", "base", schema=schemas.weighted())
variant("mmoe_row_weights_gcs", "mmoe", train={"multi_task": "gcs"}, schema=schemas.weighted(("last", "mta")))
