"""A log that is kept on disk needs a part of the memory that it needs in memory, and gives the same files, for every --format.
Arguments: mal_data [rows [memory [format]]]; with a memory, such as 100000000 2GiB, only that run, in no more address space than
2 GiB. Label slow."""
import filecmp
import os
import resource
import subprocess
import sys
import time

from support import BINARY, np

rows = int(sys.argv[2]) if len(sys.argv) > 2 else 3_000_000
memory = sys.argv[3] if len(sys.argv) > 3 else ""
formats = sys.argv[4:5] or (["csv"] if memory else ["csv", "criteo", "journeys"])
r = np.random.default_rng(4)


def write(path, header, count, line):
    """line: makes `n` lines from their times."""
    with open(path, "w") as file:
        file.write(header)
        for begin in range(0, count, 1_000_000):
            n = min(1_000_000, count - begin)
            file.writelines(line(n, 1_500_000_000 + (np.arange(begin, begin + n) * 2_500_000 // count)))


def users(n):
    return r.integers(0, max(1, rows // 30), n)


def click_lines(late):
    def lines(n, times):
        keys, channels = r.integers(0, 200, n) ** 2 // 200, r.integers(0, 6, n)
        return (f"{t},u{u},k{k},c{c}\n" for t, u, k, c in
                zip((times + late).tolist(), users(n).tolist(), keys.tolist(), channels.tolist()))
    return lines


def criteo_lines(n, times):
    """Every tenth row is an impression alone, every fifth belongs to one of its user's conversions."""
    who, campaign, click = users(n), r.integers(0, 600, n), r.integers(0, 10, n) > 0
    conversion = np.where(r.integers(0, 5, n) == 0, who * 4 + r.integers(0, 4, n), -1)
    at = np.where(conversion < 0, -1, 1_502_000_000 + conversion % 400_000)
    return (f"{t}\tu{u}\t{k}\t{a}\t{c}\t{p:d}\n" for t, u, k, a, c, p in
            zip(times.tolist(), who.tolist(), campaign.tolist(), at.tolist(), conversion.tolist(), click.tolist()))


def journey_lines(n, times):
    """Three touches a journey on average, a tenth of the journeys converts; their rows lie far apart."""
    journey, campaign = r.integers(0, max(1, rows // 3), n), r.integers(0, 6, n)
    return (f"{j},u{j // 10},{t},{k},{int(j % 10 == 0)}\n" for j, t, k in zip(journey.tolist(), times.tolist(), campaign.tolist()))


inputs = {}
if "csv" in formats:
    write("clicks.csv", "time,user,advertiser,channel\n", rows, click_lines(0))
    write("conversions.csv", "time,user,advertiser,place\n", rows // 20, click_lines(5000))
    inputs["csv"] = ["--in", "clicks.csv", "--conversions", "conversions.csv"]
if "criteo" in formats:
    write("criteo.tsv", "timestamp\tuid\tcampaign\tconversion_timestamp\tconversion_id\tclick\n", rows, criteo_lines)
    inputs["criteo"] = ["--in", "criteo.tsv"]
if "journeys" in formats:
    write("journeys.csv", "journey,user,timestamp,campaign,conversion\n", rows, journey_lines)
    inputs["journeys"] = ["--in", "journeys.csv", "--truncate", "20d"]


def peak(kind, out, limit, address_space=0):
    """Of `attribute`, in MiB."""
    command = [BINARY, "attribute", "--format", kind, *inputs[kind], "--test-days", "1", "--mechanisms", "last,first,linear,mta",
               "--memory", limit, "--out", out]
    begin = time.time()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               preexec_fn=lambda: address_space and resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space)))
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (status, output)
    print(f"{kind} --memory {limit}: {rows} rows, peak {usage.ru_maxrss / 1024:.0f} MiB, {time.time() - begin:.1f} s by the clock, "
          f"{usage.ru_utime + usage.ru_stime:.1f} s of processor time", flush=True)
    return usage.ru_maxrss / 1024


for kind in formats:
    if memory:
        assert peak(kind, "disk", memory, 2 << 30) < 2048
        continue
    in_memory, on_disk = peak(kind, "memory", "1000GiB"), peak(kind, "disk", "16MiB")
    for name in ("train.csv", "test.csv", "attribution.json", "channel_model.json"):
        assert filecmp.cmp(f"memory/{name}", f"disk/{name}", shallow=False), (kind, name)
    assert on_disk < in_memory / 2, f"{kind}: {on_disk} MiB on disk, {in_memory} in memory"
