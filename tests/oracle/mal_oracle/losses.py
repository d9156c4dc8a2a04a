"""MODELS.md §1: one loss a head, without its λ."""

import torch
import torch.nn.functional as F


def head_loss(head, credits, reduction, row_weights=None):
    """credits: view -> [B]. row_weights [B]: those of the rows over their mean in the data; None: all are 1."""
    rows = len(head.logits)
    if head.cartesian:
        label = sum((credits[view] > 0).to(torch.int64) * 2 ** k for k, view in enumerate(head.labels))
        weight = torch.ones(rows, dtype=torch.float64)
        loss = F.cross_entropy(head.logits, label, reduction="none")
    else:
        credit = credits[head.labels[0]]
        label = (credit > 0).to(torch.float64)
        weight = torch.where(credit > 0, credit, torch.ones_like(credit))
        loss = F.binary_cross_entropy_with_logits(head.logits[:, 0], label, reduction="none")
    if row_weights is not None:
        weight = weight * row_weights
    divisor = {"mean": rows, "sum": 1, "weight_mean": weight.sum() if weight.sum() > 0 else 1}[reduction]
    return (weight * loss).sum() / divisor
