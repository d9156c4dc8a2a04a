#!/usr/bin/env python3
"""Runs the steps of scripts/gpu_check.sh (gpu_steps.py) one after the other, each with a limit, and writes what comes of
them as it comes. Needs nothing but Python."""

import argparse
import concurrent.futures
import glob
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time

import gpu_report
import gpu_steps

# Characters of one command's output that are kept, its beginning and its end; fewer where the log is already long: it has
# at most 16 MiB.
MOST_LOG, LONG_LOG, MOST_IN_LONG_LOG = 400_000, 10 << 20, 8_000


def cuda_folders():
    """Where tools and libraries of CUDA may lie that are on no path: beside nvcc, in /usr/local/cuda*, in Nsight's folders,
    in packages of Python."""
    nvcc = shutil.which("nvcc")
    roots = [pathlib.Path(nvcc).resolve().parent.parent] if nvcc else []
    roots += [pathlib.Path(p) for p in sorted(glob.glob("/usr/local/cuda*"), reverse=True)]
    bins = [root / "bin" for root in roots] + [root / "compute-sanitizer" for root in roots]
    bins += [pathlib.Path(p).parent for p in sorted(glob.glob("/opt/nvidia/nsight-compute/*/ncu"), reverse=True)]
    libraries = [folder for root in roots for folder in (root / "lib64", root / "targets/x86_64-linux/lib", root / "lib")]
    libraries += [pathlib.Path(p) for folder in sys.path for p in glob.glob(f"{folder}/nvidia/*/lib")]
    return [str(p) for p in bins if p.is_dir()], [str(p) for p in libraries if p.is_dir()]


class Result:
    """Of one command."""

    def __init__(self, code, text, seconds, stopped):
        self.code, self.text, self.seconds, self.stopped = code, text, seconds, stopped

    @property
    def ok(self):
        return self.code == 0

    def why(self):
        if self.stopped:
            return f"stopped after {self.seconds:.0f} s"
        return gpu_report.first_failure(self.text) or f"exit code {self.code}"


class Runner:
    """What a step has at hand: programs, folders, commands with a limit, the log."""

    def __init__(self, options):
        self.options, self.gpu, self.dry = options, not options.no_gpu, options.dry_run
        self.out = pathlib.Path(options.out)
        self.work = pathlib.Path("build/gpu_work")
        self.deadline = time.monotonic() + options.seconds
        self.lock, self.running = threading.Lock(), set()
        self.programs = self.work / "bundle/bin"
        self.environment = dict(os.environ)
        bins, self.libraries = cuda_folders()
        self.append("PATH", bins)
        self.limit = None  # of the step under way

    def append(self, variable, folders):
        """What the machine chose comes first."""
        present = [p for p in self.environment.get(variable, "").split(":") if p]
        self.environment[variable] = ":".join(present + folders)

    def program(self, name):
        return str(self.programs / name)

    def tool(self, name):
        return shutil.which(name, path=self.environment["PATH"]) or name

    def left(self):
        return self.deadline - time.monotonic()

    def command(self, name, arguments, limit, **environment):
        """Runs it in a process group of its own, which ends with it. Its output goes to the log when it has ended."""
        words = [str(a) for a in arguments]
        shown = shlex.join([f"{k}={v}" for k, v in environment.items()] + words)
        if self.dry:
            print(f"  {name:<24} {shown}")
            return Result(0, "", 0, False)
        limit = max(1, min(limit, self.limit - time.monotonic(), self.left()))
        path = self.work / "logs" / (name.replace("/", "_").replace(" ", "_")[:80] + f".{time.monotonic_ns()}")
        path.parent.mkdir(parents=True, exist_ok=True)
        begin, stopped = time.monotonic(), False
        with open(path, "wb") as output:
            try:
                process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                           start_new_session=True, env={**self.environment, **environment})
            except OSError as error:
                output.write(f"{error}\n".encode())
                process = None
        code = 127
        if process:
            with self.lock:
                self.running.add(process)
            try:
                code = process.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                stopped, code = True, 124
            self.end(process)
        text = path.read_text(errors="replace")
        seconds = time.monotonic() - begin
        self.log(f"==== {name}: {'stopped, ' if stopped else ''}exit code {code}, {seconds:.1f} s\n$ {shown}\n{text}")
        return Result(code, text, seconds, stopped)

    def end(self, process):
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what it started and left behind, or all of it
        except OSError:
            pass
        process.wait()
        with self.lock:
            self.running.discard(process)

    def end_all(self):
        for process in list(self.running):
            self.end(process)

    def log(self, text):
        with self.lock, open(self.out / "gpu_check.log", "a") as file:
            most = MOST_LOG if file.tell() < LONG_LOG else MOST_IN_LONG_LOG
            if len(text) > most:
                text = f"{text[: most // 2]}\n[… {len(text) - most} characters …]\n{text[-most // 2 :]}"
            file.write(text.rstrip("\n") + "\n")

    def several(self, call, items, at_once):
        """call(item) for each, some at once; the results in order."""
        with concurrent.futures.ThreadPoolExecutor(1 if self.dry else at_once) as pool:
            return list(pool.map(call, items))

    # ---- the programs ----------------------------------------------------------------------------------------------

    def unpack(self):
        """What was prepared. Returns what is wrong with it, or ""."""
        archive = pathlib.Path(self.options.bundle) / "bundle.tar.xz"
        if not archive.exists():
            return f"{archive} does not exist: make it with scripts/gpu_check.sh --prepare {self.options.bundle}"
        folder = self.work / "bundle"
        shutil.rmtree(folder, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(folder, **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))
        other = []
        for line in (folder / "sources.sha256").read_text().splitlines():
            digest, name = line.split(maxsplit=1)
            path = pathlib.Path(name.lstrip("*"))
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                other.append(name)
        if other:
            return f"{archive} was made of another tree, with other {', '.join(other[:3])}{', …' if len(other) > 3 else ''}"
        return ""

    def start_all(self):
        """Whether every program starts on this machine: what the first that does not says."""
        for name, arguments in gpu_steps.STARTS.items():
            result = self.command(f"start/{name}", [self.program(name), *arguments], 20)
            # Only where they are not found otherwise: PyTorch would take these in the place of its own.
            if self.libraries and re.search(r"shared libraries: libcu\w+\.so", result.text):
                self.append("LD_LIBRARY_PATH", self.libraries)
                self.libraries = []
                result = self.command(f"start/{name} again", [self.program(name), *arguments], 20)
            # gpu_probe has code 3 where there is no GPU; Catch2's listing ends with the number of its tests.
            if not self.dry and (result.code in (126, 127, 124) or result.code < 0 or not result.text.strip()):
                return f"{name} does not start: {gpu_report.first_failure(result.text) or result.why()}"
        return ""

    def build(self):
        sources = (self.work / "bundle/sources/usr").resolve()
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DMAL_CUDA=ON", "-DMAL_BENCH=ON", "-DMAL_PARQUET=OFF", "-DMAL_WERROR=OFF",
                   f"-DMAL_CUDA_ARCHITECTURES={os.environ.get('MAL_CUDA_ARCHITECTURES', 'native' if self.gpu else '90-real')}",
                   "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags"]
        if shutil.which("ninja"):
            options += ["-G", "Ninja"]
        if sources.is_dir() or self.dry:
            libraries = sources / "lib/x86_64-linux-gnu"
            options += [f"-DCMAKE_PREFIX_PATH={sources}", f"-DCMAKE_BUILD_RPATH={libraries}"]
        folder = self.work / "build"
        done = self.command("build/configure", ["cmake", "-S", ".", "-B", folder, *options], 60)
        if done.ok:
            targets = (self.options.targets or ",".join(gpu_steps.STARTS)).split(",")
            done = self.command("build/build", ["cmake", "--build", folder, "-j", os.cpu_count(), "--target", *targets],
                                self.options.build_seconds)
        self.programs = folder
        return "" if done.ok else f"the build failed: {done.why()}"


def run_step(runner, step, report):
    begin = time.monotonic()
    if step.name != "start" and runner.left() < 5 and not runner.dry:
        report.add(step.name, "not run", 0, f"no time left of {runner.options.seconds} s")
        return
    runner.limit = begin + step.limit
    if runner.dry:
        print(f"{step.name}: {step.text} (about {step.expected} s, at most {step.limit} s)")
    else:
        print(f"gpu_check: {step.name}", flush=True)
    try:
        problem = step.call(runner, report) or ""
    except Exception as error:  # a step that fails must not end those after it
        problem = f"{type(error).__name__}: {error}"
    if not runner.dry:
        report.add(step.name, "FAILED" if problem else "ok", time.monotonic() - begin, problem)
        if problem:
            print(f"gpu_check: {step.name} FAILED: {problem}", flush=True)


def chosen_steps(options):
    if not options.steps:
        return gpu_steps.STEPS
    wanted = options.steps.split(",")
    known = {step.name for step in gpu_steps.STEPS}
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"gpu_check: no step {unknown[0]}; there are {', '.join(sorted(known))}")
    # The programs, and the ceiling that shares are shares of, are wanted by all others.
    return [step for step in gpu_steps.STEPS if step.name in wanted or step.name in ("start", "probe")]


def main():
    parser = argparse.ArgumentParser(prog="gpu_check.sh", description=__doc__, usage="scripts/gpu_check.sh [OPTIONS] [OUT]")
    parser.add_argument("out", nargs="?", default="build/gpu_check")
    parser.add_argument("--steps", help="A,B: these alone")
    parser.add_argument("--list", action="store_true", help="print the steps")
    parser.add_argument("--seconds", type=float, default=430)
    parser.add_argument("--bundle", default="gpu_bundle")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--build-seconds", type=float, default=280)
    parser.add_argument("--targets", help="A,B: build these alone, and run no further step")
    parser.add_argument("--no-gpu", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    steps = chosen_steps(options)
    if options.list:
        for step in steps:
            print(f"{step.name:<11} about {step.expected:>3} s, at most {step.limit:>3} s: {step.text}")
        print(f"all: about {sum(s.expected for s in steps)} s of {options.seconds:.0f}")
        return 0
    runner = Runner(options)
    if options.dry_run:
        for step in steps:
            run_step(runner, step, gpu_report.Report())
        return 0
    shutil.rmtree(runner.work / "logs", ignore_errors=True)
    runner.out.mkdir(parents=True, exist_ok=True)
    (runner.out / "gpu_check.log").write_text("")
    report = gpu_report.Report(runner.out)

    def stopped(*_):
        runner.end_all()
        report.add("gpu_check", "FAILED", options.seconds - runner.left(), "stopped from outside")
        print(report.summary(), flush=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, stopped)
    for step in steps:
        run_step(runner, step, report)
        if step.name == "start" and (report.failed() or options.targets):
            break
    print(report.summary(), flush=True)
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
