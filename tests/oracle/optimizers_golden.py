"""Golden values for tests/kernels/optimizer_golden_test.cpp, from torch.optim (any PyTorch from 1.13, on the CPU).

    apt-get install python3-torch    (or: python3 -m venv venv && venv/bin/pip install torch)
    /usr/bin/python3 tests/oracle/optimizers_golden.py tests/data/optimizers

Writes cases.csv (case,rule,sparse,rate,beta1,beta2,eps,l2,momentum) and steps.csv (case,step,row,column,gradient,weight: the
gradient of that step, nan where a sparse gradient has no such row, and the weight after it; step 0 is where it starts).
Computed in float64; weights, gradients and settings are float32 values printed so that they read back as the same bits.
Nothing here shares code with kernels/.
"""

import csv
import sys

import numpy as np
import torch

ROWS, COLUMNS, STEPS = 4, 2, 15


def single(value):
    return float(np.float32(value))


def settings(rule, sparse=False, rate=0.01, beta1=0.9, beta2=0.999, eps=1e-8, l2=0.0, momentum=0.0):
    numbers = dict(rate=rate, beta1=beta1, beta2=beta2, eps=eps, l2=l2, momentum=momentum)
    return dict(rule=rule, sparse=sparse, **{name: single(value) for name, value in numbers.items()})


CASES = {
    "sgd": settings("sgd", rate=0.1),
    "sgd_l2": settings("sgd", rate=0.1, l2=0.01),
    "sgd_momentum": settings("sgd", rate=0.05, momentum=0.9),
    "sgd_momentum_l2": settings("sgd", rate=0.05, momentum=0.8, l2=0.1),
    "adagrad": settings("adagrad", rate=0.1, eps=1e-10),
    "adagrad_l2": settings("adagrad", rate=0.1, eps=1e-3, l2=0.05),
    "adam": settings("adam"),
    "adam_l2": settings("adam", rate=0.03, beta1=0.8, beta2=0.95, eps=1e-3, l2=0.1),
    "adamw": settings("adamw", l2=0.01),
    "adamw_strong": settings("adamw", rate=0.1, beta1=0.5, beta2=0.9, eps=1e-2, l2=0.5),
    # With sparse gradients: rows without one stay as they are, but for adam_dense, whose rows all decay.
    "sparse_sgd": settings("sgd", sparse=True, rate=0.1),
    "sparse_adagrad": settings("adagrad", sparse=True, rate=0.1, eps=1e-10),
    # SparseAdam adds eps before the second moment's correction, so that only a negligible one agrees.
    "lazy_adam": settings("lazy_adam", sparse=True, rate=0.02, eps=1e-16),
    "adam_dense": settings("adam_dense", sparse=True, rate=0.02, beta2=0.99),
    "adam_dense_l2": settings("adam_dense", sparse=True, rate=0.02, l2=0.1),
}


def optimizer_of(case, weight):
    betas = (case["beta1"], case["beta2"])
    adam = dict(lr=case["rate"], betas=betas, eps=case["eps"])
    match case["rule"]:
        case "sgd":
            return torch.optim.SGD([weight], lr=case["rate"], momentum=case["momentum"], weight_decay=case["l2"])
        case "adagrad":
            return torch.optim.Adagrad([weight], lr=case["rate"], eps=case["eps"], weight_decay=case["l2"])
        case "adam" | "adam_dense":
            return torch.optim.Adam([weight], weight_decay=case["l2"], **adam)
        case "adamw":
            return torch.optim.AdamW([weight], weight_decay=case["l2"], **adam)
        case "lazy_adam":
            return torch.optim.SparseAdam([weight], **adam)


def steps(case, rng):
    """(gradient or nan, weights after it) of every step."""
    weight = torch.nn.Parameter(torch.tensor(rng.normal(0, 1, (ROWS, COLUMNS)).astype(np.float32), dtype=torch.float64))
    optimizer = optimizer_of(case, weight)
    yield np.full((ROWS, COLUMNS), np.nan), weight.detach().numpy().copy()
    for _ in range(STEPS):
        gradient = rng.normal(0.2, 1, (ROWS, COLUMNS)).astype(np.float32).astype(np.float64)
        if case["sparse"]:
            untouched = rng.random(ROWS) < 0.5
            untouched[rng.integers(ROWS)] = False  # SparseAdam fails without a row
            gradient[untouched] = np.nan
        touched = np.flatnonzero(~np.isnan(gradient[:, 0]))
        if case["sparse"] and case["rule"] != "adam_dense":
            weight.grad = torch.sparse_coo_tensor(torch.tensor(touched[None, :]), torch.tensor(gradient[touched]),
                                                  (ROWS, COLUMNS))
        else:
            weight.grad = torch.tensor(np.nan_to_num(gradient))
        optimizer.step()
        yield gradient, weight.detach().numpy().copy()


def main(folder):
    with open(f"{folder}/cases.csv", "w", newline="") as cases, open(f"{folder}/steps.csv", "w", newline="") as values:
        cases_csv = csv.writer(cases, lineterminator="\n")
        steps_csv = csv.writer(values, lineterminator="\n")
        names = ["rate", "beta1", "beta2", "eps", "l2", "momentum"]
        cases_csv.writerow(["case", "rule", "sparse", *names])
        steps_csv.writerow(["case", "step", "row", "column", "gradient", "weight"])
        for seed, (name, case) in enumerate(CASES.items()):
            cases_csv.writerow([name, case["rule"], int(case["sparse"]), *(f"{case[key]:.9g}" for key in names)])
            for step, (gradient, weight) in enumerate(steps(case, np.random.default_rng(seed))):
                for (row, column), value in np.ndenumerate(weight):
                    steps_csv.writerow([name, step, row, column, f"{gradient[row, column]:.9g}", f"{value:.10g}"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
