"""MODELS.md §1: one loss a head, without its λ."""

import torch
import torch.nn.functional as F


def head_loss(head, credits, reduction):
    """credits: view -> [B]."""
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
    divisor = {"mean": rows, "sum": 1, "weight_mean": weight.sum()}[reduction]
    return (weight * loss).sum() / divisor
