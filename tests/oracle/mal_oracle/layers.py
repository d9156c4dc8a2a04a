"""Building blocks of MODELS.md §3: linear layers, towers, LayerNorm, BatchNorm, gates, SENet."""

import torch


class Network:
    """What a formula sees: the parameters, the configuration, whether it trains, and how near to a kink it came."""

    def __init__(self, parameters, config, training):
        self.p = parameters
        self.config = config
        self.training = training
        self.kink = float("inf")  # smallest |input| of a ReLU or PReLU

    def _near(self, x):
        if x.numel():
            self.kink = min(self.kink, x.detach().abs().min().item())

    def linear(self, x, width, name):
        return x @ self.p.matrix(f"{name}/weight", x.shape[1], width) + self.p.bias(f"{name}/bias", width)

    def relu(self, x):
        self._near(x)
        return torch.where(x > 0, x, torch.zeros_like(x))

    def prelu(self, x, alpha, valid):
        self._near(x[valid])
        return torch.where(x > 0, x, alpha * x)

    def act(self, x):
        return self.relu(x) if self.config["activation"] == "relu" else x

    def mlp(self, x, widths, name, linear_last=False):
        for k, width in enumerate(widths):
            x = self.linear(x, width, f"{name}/{k}")
            if not (linear_last and k == len(widths) - 1):
                x = self.act(x)
        return x

    def tower(self, x, widths, outputs, name):
        penultimate = self.mlp(x, widths, name)
        return penultimate, self.linear(penultimate, outputs, f"{name}/logit")

    def layer_norm(self, x, name):
        width = x.shape[1]
        gamma, beta = self.p.get(f"{name}/gamma", [width], 0.3, 1.0), self.p.bias(f"{name}/beta", width)
        mean = x.mean(1, keepdim=True)
        variance = ((x - mean) ** 2).mean(1, keepdim=True)
        return gamma * (x - mean) / torch.sqrt(variance + self.config["layer_norm_eps"]) + beta

    def batch_norm(self, x, name, eps=1e-5, momentum=0.1):
        """torch.nn.BatchNorm1d, and for a training batch of one row: variance 0, running variance kept."""
        width = x.shape[1]
        gamma, beta = self.p.get(f"{name}/gamma", [width], 0.3, 1.0), self.p.bias(f"{name}/beta", width)
        running_mean = self.p.statistic(f"{name}/mean", width, -0.1)
        running_variance = self.p.statistic(f"{name}/variance", width, 0.8)
        if not self.training:
            return gamma * (x - running_mean) / torch.sqrt(running_variance + eps) + beta
        rows = x.shape[0]
        mean = x.mean(0)
        variance = ((x - mean) ** 2).mean(0)
        with torch.no_grad():
            self.p.running[f"{name}/mean"] = (1 - momentum) * running_mean + momentum * mean
            if rows > 1:
                unbiased = variance * rows / (rows - 1)
                self.p.running[f"{name}/variance"] = (1 - momentum) * running_variance + momentum * unbiased
        return gamma * (x - mean) / torch.sqrt(variance + eps) + beta

    def gate(self, x, experts, name):
        """Σ_e softmax(linear(x))_e · expert e."""
        weights = torch.softmax(self.linear(x, len(experts), name), 1)
        return sum(weights[:, e:e + 1] * expert for e, expert in enumerate(experts))

    def self_gate(self, x, experts, name):
        scores = self.linear(x, len(experts), name)
        weights = torch.sigmoid(scores) if len(experts) == 1 else torch.softmax(scores, 1)
        return sum(weights[:, e:e + 1] * expert for e, expert in enumerate(experts))

    def senet(self, fields, name):
        """fields: the parts of a concatenation; gives the concatenation of the reweighted parts."""
        squeezed = torch.cat([f.mean(1, keepdim=True) for f in fields], 1)
        hidden = max(1, len(fields) // self.config["senet"]["reduction"])
        excited = self.linear(self.relu(self.linear(squeezed, hidden, f"{name}/0")), len(fields), f"{name}/1")
        factors = 2 * torch.sigmoid(excited)
        return torch.cat([factors[:, f:f + 1] * part for f, part in enumerate(fields)], 1)
