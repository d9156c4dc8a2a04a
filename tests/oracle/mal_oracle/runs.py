"""Optimiser runs of 20 steps. Rates are such that every run moves the weights by a visible part of themselves."""

STEPS = 20
WINDOWS = [(0, 7), (7, 4), (11, 1), (3, 9)]  # rows of the batches that the steps take in turn: first, count


def run(name, dense, sparse, total_steps=STEPS, snapshots=(STEPS,), **train):
    return {"name": name, "dense": dense, "sparse": sparse, "total_steps": total_steps, "snapshots": list(snapshots),
            **train}


def overrides(r):
    """As for --set; the schedule always, whatever its default is."""
    sets = [f"train.schedule={r.get('schedule', 'constant')}"]
    sets += [f"train.{key}={r[key]}" for key in ("warmup_steps", "clip_norm") if key in r]
    for group in ("dense", "sparse"):
        sets += [f"optimizer.{group}.{key}={value}" for key, value in r[group].items()]
    return sets


# Adam divides by √v: where a gradient is 0 but for rounding (a bias before BatchNorm, the score's bias under a softmax),
# eps decides. 1e-8 would turn rounding into steps of full size, in any implementation; 1e-3 does not.
EPS = 1e-3

# Of every case.
STANDARD = [
    run("adam_lazy_adam", {"type": "adam", "lr": 0.02, "eps": EPS}, {"type": "lazy_adam", "lr": 0.03, "eps": EPS}),
    run("adamw_adam_dense", {"type": "adamw", "lr": 0.02, "eps": EPS, "l2": 0.1},
        {"type": "adam_dense", "lr": 0.02, "eps": EPS, "l2": 0.01}, schedule="cosine", warmup_steps=5, clip_norm=0.5),
    run("momentum_rowwise_adagrad", {"type": "sgd", "lr": 0.02, "momentum": 0.8, "l2": 0.02},
        {"type": "rowwise_adagrad", "lr": 0.05, "eps": EPS, "initial_accumulator": 0.01}),
    run("adagrad_ftrl", {"type": "adagrad", "lr": 0.05, "eps": EPS, "initial_accumulator": 0.1, "l2": 0.01},
        {"type": "ftrl", "alpha": 0.1, "beta": 0.5, "l1": 0.002, "l2": 0.01, "initial_accumulator": 0.1},
        clip_norm=1.0),
    run("sgd_adagrad", {"type": "sgd", "lr": 0.1}, {"type": "adagrad", "lr": 0.05, "eps": EPS}, warmup_steps=3),
]

# Of the cases that are one more variant of a large model: two that differ most.
FEW = [r for r in STANDARD if r["name"] in ("adam_lazy_adam", "momentum_rowwise_adagrad")]

# Of the cases about optimisers: every rule alone, with each of its keys, step by step.
STEP_BY_STEP = (1, 2, 3, 6, STEPS)


def single(name, dense=None, sparse=None, **more):
    still = {"type": "sgd", "lr": 0.05}
    return run(name, dense or still, sparse or still, snapshots=STEP_BY_STEP, **more)


SGD, ADAM = {"type": "sgd", "lr": 0.05}, {"type": "adam", "lr": 0.01}
EVERY_RULE = [
    single("sgd"),
    single("dense_sgd_l2", {**SGD, "l2": 0.3}),
    single("dense_momentum", {**SGD, "momentum": 0.9}),
    single("dense_momentum_l2", {**SGD, "momentum": 0.5, "l2": 0.1}),
    single("dense_adagrad", {"type": "adagrad", "lr": 0.05}),
    single("dense_adagrad_accumulator", {"type": "adagrad", "lr": 0.05, "initial_accumulator": 0.3, "eps": 0.01}),
    single("dense_adagrad_l2", {"type": "adagrad", "lr": 0.05, "l2": 0.2}),
    single("dense_adam", ADAM),
    single("dense_adam_keys", {**ADAM, "beta1": 0.7, "beta2": 0.95, "eps": 0.01}),
    single("dense_adam_l2", {**ADAM, "l2": 0.2}),
    single("dense_adamw", {**ADAM, "type": "adamw", "l2": 0.5}),
    single("sparse_sgd_momentum", None, {**SGD, "momentum": 0.9}),
    single("sparse_sgd_l2", None, {**SGD, "l2": 0.3}),
    single("sparse_adagrad", None, {"type": "adagrad", "lr": 0.05}),
    single("sparse_adagrad_keys", None, {"type": "adagrad", "lr": 0.05, "eps": 0.01, "l2": 0.1,
                                         "initial_accumulator": 0.02}),
    single("sparse_rowwise_adagrad", None, {"type": "rowwise_adagrad", "lr": 0.05}),
    single("sparse_rowwise_adagrad_keys", None, {"type": "rowwise_adagrad", "lr": 0.05, "eps": 0.01, "l2": 0.1,
                                                 "initial_accumulator": 0.02}),
    single("sparse_lazy_adam", None, {"type": "lazy_adam", "lr": 0.01}),
    single("sparse_lazy_adam_keys", None, {"type": "lazy_adam", "lr": 0.01, "beta1": 0.7, "beta2": 0.95, "eps": 0.01,
                                           "l2": 0.2}),
    single("sparse_adam_dense", None, {"type": "adam_dense", "lr": 0.01}),
    single("sparse_adam_dense_keys", None, {"type": "adam_dense", "lr": 0.01, "beta1": 0.7, "beta2": 0.95, "eps": 0.01,
                                            "l2": 0.2}),
    single("sparse_ftrl", None, {"type": "ftrl", "alpha": 0.1}),
    single("sparse_ftrl_keys", None, {"type": "ftrl", "alpha": 0.1, "beta": 0.3, "l1": 0.03, "l2": 0.2,
                                      "initial_accumulator": 0.05}),
    single("warmup", ADAM, {"type": "lazy_adam", "lr": 0.01}, warmup_steps=7),
    single("cosine", ADAM, {"type": "ftrl", "alpha": 0.1}, schedule="cosine"),
    single("warmup_cosine_longer", {"type": "adamw", "lr": 0.01, "l2": 0.5}, {"type": "adagrad", "lr": 0.05},
           schedule="cosine", warmup_steps=4, total_steps=33),
    single("clip", {**SGD, "momentum": 0.9, "l2": 0.1}, {**SGD, "l2": 0.1}, clip_norm=0.2),
    single("clip_that_never_binds", SGD, SGD, clip_norm=1000),
]
