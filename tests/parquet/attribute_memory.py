"""A log that is kept on disk needs a part of the memory that it needs in memory, and gives the same files. Arguments: mal_data
[clicks [memory]], such as 100000000 2GiB, which also runs it in no more address space than that; label slow."""
import filecmp
import os
import resource
import subprocess
import sys
import time

from support import BINARY, np

clicks = int(sys.argv[2]) if len(sys.argv) > 2 else 3_000_000
memory = sys.argv[3] if len(sys.argv) > 3 else ""
r = np.random.default_rng(4)


def write(path, header, rows, late):
    with open(path, "w") as file:
        file.write(header)
        for begin in range(0, rows, 1_000_000):
            n = min(1_000_000, rows - begin)
            times = 1_500_000_000 + (np.arange(begin, begin + n) * 2_500_000 // rows) + late
            users, keys, channels = r.integers(0, max(1, clicks // 30), n), r.integers(0, 200, n) ** 2 // 200, r.integers(0, 6, n)
            file.writelines(f"{t},u{u},k{k},c{c}\n" for t, u, k, c in zip(times.tolist(), users.tolist(), keys.tolist(), channels.tolist()))


write("clicks.csv", "time,user,advertiser,channel\n", clicks, 0)
write("conversions.csv", "time,user,advertiser,place\n", clicks // 20, 5000)


def peak(out, limit, address_space=0):
    """Of `attribute`, in MiB."""
    command = [BINARY, "attribute", "--in", "clicks.csv", "--conversions", "conversions.csv", "--test-days", "1", "--mechanisms",
               "last,first,linear,mta", "--memory", limit, "--out", out]
    begin = time.time()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               preexec_fn=lambda: address_space and resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space)))
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (status, output)
    print(f"--memory {limit}: {clicks} clicks, peak {usage.ru_maxrss / 1024:.0f} MiB, {time.time() - begin:.1f} s by the clock, "
          f"{usage.ru_utime + usage.ru_stime:.1f} s of processor time", flush=True)
    return usage.ru_maxrss / 1024


if memory:
    assert peak("disk", memory, 2 << 30) < 2048
    sys.exit(0)
in_memory, on_disk = peak("memory", "1000GiB"), peak("disk", "16MiB")
for name in ("train.csv", "test.csv", "attribution.json", "channel_model.json"):
    assert filecmp.cmp(f"memory/{name}", f"disk/{name}", shallow=False), name
assert on_disk < in_memory / 2, f"{on_disk} MiB on disk, {in_memory} in memory"
