"""Golden values for tests/train/metrics_test.cpp, from scikit-learn and NumPy.

    python3 -m venv venv && venv/bin/pip install scikit-learn numpy
    venv/bin/python tests/oracle/metrics_golden.py tests/data/metrics

Writes rows.csv (case,logit,credit,group and, of some cases, weight: the input) and expected.csv (case,name,value: what metrics.h must give). Logits and
credits are float32 values printed so that they read back as the same bits. Nothing here shares code with train/metrics.
"""

import csv
import sys

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

BINS = 20


def cases(rng):
    """name -> (logits, credits, groups, weights of the rows)"""
    def labels(logits, bias=0.0):
        return rng.random(len(logits)) < 1 / (1 + np.exp(-(logits + bias)))

    n = 600
    logits = rng.normal(-1.5, 1.2, n)
    yield "plain", logits, labels(logits).astype(float), rng.integers(0, 40, n)

    logits = rng.normal(-1, 1.5, n)
    credits = np.where(labels(logits), rng.choice([1.0, 0.5, 1 / 3, 0.25, 0.2], n), 0.0)
    yield "credits", logits, credits, rng.integers(0, 30, n)

    logits = np.round(rng.normal(-1, 1.5, n) * 2) / 2  # heavy ties
    credits = np.where(labels(logits), rng.random(n), 0.0)
    yield "ties", logits, credits, rng.integers(0, 50, n)

    n = 300  # most users have one or two rows, most of them of one class
    logits = np.round(rng.normal(0, 1, n), 1)
    yield "tiny_groups", logits, np.where(labels(logits), rng.random(n), 0.0), rng.integers(0, 200, n) * 10**15

    n = 500  # 1 % positives, of users of very different sizes
    logits = rng.normal(-4.5, 0.8, n)
    credits = labels(logits, 0.5).astype(float)
    credits[:5] = 1.0
    yield "rare", logits, credits, np.floor(n * rng.random(n) ** 6 / 10).astype(int)

    n = 200  # probabilities that round to 0 and 1
    logits = rng.normal(0, 60, n)
    yield "extreme", logits, np.where(labels(logits * 0.02), rng.choice([1.0, 0.5], n), 0.0), rng.integers(0, 10, n)

    n = 7  # fewer rows than bins
    yield "few", rng.normal(0, 1, n), np.array([0, 1, 0, 0.5, 0, 0, 0.25]), np.array([1, 1, 2, 2, 2, -3, -3])

    n = 100  # every score alike
    yield "constant", np.full(n, -1.25), np.where(rng.random(n) < 0.3, 1.0, 0.0), rng.integers(0, 10, n)

    n = 600  # a third of the rows counts for nothing, the others for up to 50
    logits = np.round(rng.normal(-1, 1.5, n), 1)
    credits = np.where(labels(logits), rng.choice([1.0, 0.5, 0.25], n), 0.0)
    weights = np.where(rng.random(n) < 0.33, 0.0, rng.uniform(0.1, 50, n))
    yield "weights", logits, credits, rng.integers(0, 60, n), weights

    n = 400  # negatives of which a tenth was kept
    logits = rng.normal(-1, 1.2, n)
    credits = labels(logits).astype(float)
    yield "downsampled", logits, credits, rng.integers(0, 30, n), np.where(credits > 0, 1.0, 10.0)


def weighted_rows(credits, row_weights):
    label = (credits > 0).astype(int)
    return label, np.where(credits > 0, credits, 1.0) * row_weights


def grouped_auc(logits, credits, groups, row_weights):
    label, weight = weighted_rows(credits, row_weights)
    aucs, clicks, positives = [], [], []
    for user in np.unique(groups):
        mine = groups == user
        if len(set(label[mine & (weight > 0)])) < 2:
            continue
        aucs.append(roc_auc_score(label[mine], logits[mine], sample_weight=weight[mine]))
        clicks.append(row_weights[mine].sum())
        positives.append((label * row_weights)[mine].sum())
    return {
        "gauc": np.average(aucs, weights=clicks),
        "gauc_mean": np.mean(aucs),
        "gauc_positive": np.average(aucs, weights=positives),
        "users": len(aucs),
        "all_users": len(np.unique(groups)),
    }


def calibration(logits, credits, row_weights):
    label, weight = weighted_rows(credits, row_weights)
    p = np.exp(-np.logaddexp(0, -logits))
    scores, tie = np.unique(logits, return_inverse=True)
    mass = np.bincount(tie, weights=weight)
    middle = np.cumsum(mass) - mass / 2
    bin_of_score = np.minimum(np.floor(BINS * middle / mass.sum()), BINS - 1).astype(int)
    bin_of_row = bin_of_score[tie]
    values, ece = {}, 0.0
    used = np.unique(bin_of_row)
    for k, b in enumerate(used):
        mine = bin_of_row == b
        predicted = np.average(p[mine], weights=weight[mine])
        observed = np.average(label[mine], weights=weight[mine])
        values[f"bin{k}_rows"] = mine.sum()
        values[f"bin{k}_predicted"] = predicted
        values[f"bin{k}_observed"] = observed
        ece += weight[mine].sum() / weight.sum() * abs(predicted - observed)
    values["bins"] = len(used)
    values["ece"] = ece
    values["pcoc"] = (weight * p).sum() / (weight * label).sum()
    values["pcoc_credit"] = (row_weights * p).sum() / (row_weights * credits).sum()
    return values


def expected(name, logits, credits, groups, row_weights):
    label, weight = weighted_rows(credits, row_weights)
    p = 1 / (1 + np.exp(-logits))
    # scikit-learn clips probabilities, which the extreme case is there to catch; that one is summed from logits.
    if name == "extreme":
        loss = np.average(np.logaddexp(0, np.where(label == 1, -logits, logits)), weights=weight)
    else:
        loss = log_loss(label, p, sample_weight=weight)
    return {
        "rows": len(logits),
        "positives": label.sum(),
        "auc": roc_auc_score(label, logits, sample_weight=weight),
        "logloss": loss,
        **grouped_auc(logits, credits, groups, row_weights),
        **calibration(logits, credits, row_weights),
    }


def main(folder):
    rng = np.random.default_rng(20240607)
    with open(f"{folder}/rows.csv", "w", newline="") as rows, open(f"{folder}/expected.csv", "w", newline="") as values:
        rows_csv = csv.writer(rows, lineterminator="\n")
        values_csv = csv.writer(values, lineterminator="\n")
        rows_csv.writerow(["case", "logit", "credit", "group", "weight"])
        values_csv.writerow(["case", "name", "value"])
        for name, logits, credits, groups, *given in cases(rng):
            logits, credits = logits.astype(np.float32), credits.astype(np.float32)
            weights = given[0].astype(np.float32) if given else np.ones(len(logits), np.float32)
            for row in zip(logits, credits, groups, weights):
                weight = [f"{row[3]:.9g}"] if given else []
                rows_csv.writerow([name, f"{row[0]:.9g}", f"{row[1]:.9g}", int(row[2]), *weight])
            wide = expected(name, logits.astype(np.float64), credits.astype(np.float64), groups, weights.astype(np.float64))
            for key, value in wide.items():
                values_csv.writerow([name, key, repr(float(value))])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
