"""Gradients of several heads made one: plain sum, PCGrad, GCS."""

import torch


def head_gradients(losses, parameters):
    """[head][parameter] gradients; None where the head does not reach the parameter."""
    return [torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
            for loss in losses]


def combine(losses, parameters, method):
    """losses: λ_i L_i, the primary first. name -> gradient."""
    of_head = head_gradients(losses, parameters)
    reached = [[g is not None for g in of] for of in of_head]
    zeros = [torch.zeros_like(p) for p in parameters.values()]
    of_head = [[z if g is None else g for g, z in zip(of, zeros)] for of in of_head]
    plain = [sum(parts) for parts in zip(*of_head)]
    if method != "none":
        shared = [sum(r) > 1 for r in zip(*reached)]
        flat = [torch.cat([g.reshape(-1) for g, s in zip(of, shared) if s]) for of in of_head]
        total = {"pcgrad": pcgrad, "gcs": gcs}[method](flat)
        start = 0
        for i, is_shared in enumerate(shared):
            if is_shared:
                count = plain[i].numel()
                plain[i] = total[start:start + count].reshape(plain[i].shape)
                start += count
    return dict(zip(parameters, plain))


def pcgrad(g):
    """Yu et al. 2020. The order of the projections is random; cases with at most two heads do not depend on it."""
    assert len(g) <= 2, "pcgrad: the result depends on the order of projections when there are three heads or more"
    projected = []
    for i, own in enumerate(g):
        for j, other in enumerate(g):
            if i != j and own @ other < 0:
                own = own - (own @ other) / (other @ other) * other
        projected.append(own)
    return sum(projected)


def gcs(g):
    """Du et al. 2018: an auxiliary gradient counts as far as it points where the primary one does. Zero does not."""
    primary, total = g[0], g[0].clone()
    for other in g[1:]:
        if other @ primary > 0:
            total = total + (other @ primary) / (other.norm() * primary.norm()) * other
    return total
