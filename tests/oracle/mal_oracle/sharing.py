"""How tasks share what lies under their towers: from z to one vector a task. `at` is the prefix: "" or "aka/"."""

import torch


def mmoe(net, z, tasks, at):
    options = net.config["mmoe"]
    experts = [net.mlp(z, options["expert"], f"{at}mmoe/expert/{e}") for e in range(options["experts"])]
    return {task: net.gate(z, experts, f"{at}mmoe/gate/{task}") for task in tasks}


def ple(net, z, tasks, at):
    options = net.config["ple"]
    x, shared_input = {task: z for task in tasks}, z
    for level in range(options["layers"]):
        name = f"{at}ple/{level}"
        own = {task: [net.mlp(x[task], options["expert"], f"{name}/{task}/{e}") for e in range(options["view_experts"])]
               for task in tasks}
        shared = [net.mlp(shared_input, options["expert"], f"{name}/shared/{e}")
                  for e in range(options["shared_experts"])]
        new = {task: net.gate(x[task], own[task] + shared, f"{name}/gate/{task}") for task in tasks}
        if level + 1 < options["layers"]:
            everything = [expert for task in tasks for expert in own[task]] + shared
            shared_input = net.gate(shared_input, everything, f"{name}/gate/shared")
        x = new
    return x


def home_groups(net, tasks):
    views = [task for task in tasks if task != "cat"]
    groups = net.config["home"]["groups"]
    if groups:
        groups = [[view for view in group if view in views] for group in groups]
    else:
        single = ("last", "first")
        groups = [[v for v in views if v in single], [v for v in views if v not in single]]
    groups = [group for group in groups if group]
    return groups + ([["cat"]] if "cat" in tasks else [])


def home(net, z, tasks, at):
    options = net.config["home"]
    groups = home_groups(net, tasks)

    def expert(x, name):
        a = net.p.matrix(f"{name}/feature_gate_a", x.shape[1], options["rank"])
        b = net.p.get(f"{name}/feature_gate_b", [x.shape[1], options["rank"]], 0.5)
        u = x * 2 * torch.sigmoid((x @ a) @ b.T)
        y = net.batch_norm(u @ net.p.matrix(f"{name}/weight", x.shape[1], options["expert"]), f"{name}/norm")
        return y * torch.sigmoid(y)

    def experts(x, name):
        return [expert(x, f"{name}/{j}") for j in range(options["experts"])]

    meta = f"{at}home/meta"
    global_experts = experts(z, f"{meta}/global")
    of_group = [experts(z, f"{meta}/group{g}") for g in range(len(groups))]
    m = [net.gate(z, own + global_experts, f"{meta}/gate/group{g}") + net.self_gate(z, own, f"{meta}/self/group{g}")
         for g, own in enumerate(of_group)]
    everything = [e for own in of_group for e in own] + global_experts
    m_s = net.gate(z, everything, f"{meta}/gate/global") + net.self_gate(z, global_experts, f"{meta}/self/global")

    view = f"{at}home/view"
    global_experts = experts(m_s, f"{view}/global")
    of_group = [experts(m[g], f"{view}/group{g}") for g in range(len(groups))]
    x = {}
    for g, group in enumerate(groups):
        for task in group:
            q = torch.cat([m[g], m_s], 1)
            own = experts(m[g], f"{view}/{task}")
            x[task] = (net.gate(q, own + of_group[g] + global_experts, f"{view}/gate/{task}")
                       + net.self_gate(q, own, f"{view}/self/{task}"))
    return x


def adatt(net, z, tasks, at):
    options = net.config["adatt"]
    count = options["experts"]
    x = {task: z for task in tasks}
    for level in range(options["layers"]):
        name = f"{at}adatt/{level}"
        own = {task: [net.mlp(x[task], options["expert"], f"{name}/{task}/{e}") for e in range(count)]
               for task in tasks}
        everything = [expert for task in tasks for expert in own[task]]
        new = {}
        for task in tasks:
            native = net.p.get(f"{name}/native/{task}", [count], 0.3, 1 / count)
            new[task] = (net.gate(x[task], everything, f"{name}/gate/{task}")
                         + sum(native[e] * expert for e, expert in enumerate(own[task])))
        x = new
    return x


SHARING = {"mmoe": mmoe, "ple": ple, "home": home, "adatt": adatt}
