"""What scripts/gpu_report.py reads out of the output of programs: gpu_report_test.py SOURCE_FOLDER"""

import json
import pathlib
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv.pop(1))
sys.path.insert(0, str(SOURCE / "scripts"))
sys.dont_write_bytecode = True

import gpu_check
import gpu_report
import gpu_steps

CATCH2 = """Filters: [#norm_test]

~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
kernels_tests is a Catch v2.13.10 host application.
-------------------------------------------------------------------------------
layer norm forward
-------------------------------------------------------------------------------
/tree/tests/kernels/norm_test.cpp:51
...............................................................................

/tree/tests/kernels/norm_test.cpp:63: FAILED:
  CHECK( y[i] == Approx(expected) )
with expansion:
  1.5f == Approx( 2.5 )

===============================================================================
test cases:   4 |   3 passed | 1 failed
assertions: 900 | 899 passed | 1 failed
"""
PASSED = "===\nAll tests passed (345 assertions in 1 test case)\n"


def line(step, loss, epoch=0, rate=1000.0, **losses):
    return {"event": "train", "step": step, "epoch": epoch, "loss": loss, "losses": losses, "samples_per_second": rate}


class Failures(unittest.TestCase):
    def test_catch2(self):
        self.assertEqual(gpu_report.catch2_problem(PASSED), "")
        self.assertEqual(gpu_report.catch2_problem(CATCH2),
                         "norm_test.cpp:63: CHECK( y[i] == Approx(expected) ) | 1.5f == Approx( 2.5 )")

    def test_no_test_and_no_gpu_are_no_success(self):
        self.assertEqual(gpu_report.catch2_problem("No test cases matched 'x'\n===\nNo tests ran\n"), "no test ran")
        self.assertIn("no driver", gpu_report.catch2_problem("no GPU to test on: no driver\n" + PASSED))
        self.assertEqual(gpu_report.catch2_problem(""), "it printed nothing")

    def test_sanitizer(self):
        clean = "========= COMPUTE-SANITIZER\n" + PASSED + "========= ERROR SUMMARY: 0 errors\n"
        self.assertEqual(gpu_report.sanitizer_problem(clean), "")
        races = "========= COMPUTE-SANITIZER\n" + PASSED + "========= RACECHECK SUMMARY: {} hazards displayed (0 errors, 0 warnings)\n"
        self.assertEqual(gpu_report.sanitizer_problem(races.format(0)), "")
        self.assertIn("3 hazards", gpu_report.sanitizer_problem(races.format(3)))
        read = ("========= COMPUTE-SANITIZER\n========= Invalid __global__ read of size 4 bytes\n"
                "=========     at look_up_all+0x10 in embedding.cu:91\n" + PASSED + "========= ERROR SUMMARY: 1 error\n")
        self.assertIn("Invalid __global__ read of size 4 bytes", gpu_report.sanitizer_problem(read))
        self.assertEqual(gpu_report.sanitizer_problem("Unrecognized option --kernel-name\n"), "Unrecognized option --kernel-name")
        self.assertIn("1.5f", gpu_report.sanitizer_problem(CATCH2 + "========= ERROR SUMMARY: 0 errors\n"))

    def test_what_a_command_says(self):
        missing = "x: error while loading shared libraries: libgfortran.so.5: cannot open shared object file\n"
        self.assertEqual(gpu_report.first_failure(missing), missing.strip())
        cmake = "-- x\nCMake Error at a.cmake:1 (include):\n  The imported target\n  more\n-- Configuring incomplete\n"
        self.assertEqual(gpu_report.first_failure(cmake), "CMake Error at a.cmake:1 (include): The imported target")
        self.assertEqual(gpu_report.first_failure("a\nmal_data: b\n\n"), "mal_data: b")

    def test_families(self):
        listed = "All available tags:\n   3  [#attention_test]\n  11  [#loss_test]\n 114  [kernels]\n117 tags\n"
        self.assertEqual(gpu_report.families(listed), ["attention_test", "loss_test"])


class Losses(unittest.TestCase):
    def compare(self, got, precision="fp32", step=1, **heads):
        cpu = [line(step, 0.5, last=0.4), line(step + 1, 0.5, last=0.4)]
        gpu = [line(step, 0.5, last=0.4), line(step + 1, got, **(heads or {"last": 0.4}))]
        return gpu_report.compare_losses(cpu, gpu, precision)

    def test_rounding_is_allowed(self):
        found, problem = self.compare(0.50001)
        self.assertEqual(problem, "")
        self.assertEqual(found["steps"], 2)
        self.assertAlmostEqual(found["largest_relative_difference"], 2e-5)
        self.assertEqual(self.compare(0.505, "bf16")[1], "")
        self.assertEqual(self.compare(0.505, step=20)[1], "")  # step 21

    def test_more_is_not(self):
        self.assertIn("step 2, loss: 0.5 on the CPU, 0.505 on the GPU", self.compare(0.505)[1])
        self.assertIn("step 2", self.compare(0.6, "bf16")[1])
        self.assertIn("step 2", self.compare(0.500001, "same bits")[1])
        self.assertIn("step 2", self.compare(float("nan"))[1])
        self.assertIn("step 2, last", self.compare(0.5, last=0.5)[1])  # heads that cancel in the sum

    def test_a_run_that_ended_early(self):
        self.assertIn("2 steps on the CPU, 1 on the GPU", gpu_report.compare_losses([line(1, 1), line(2, 1)], [line(1, 1)], "fp32")[1])
        self.assertTrue(gpu_report.compare_losses([], [], "fp32")[1])


class Speed(unittest.TestCase):
    def test_rate(self):
        rates = {1: (0, 1), 2: (1, 2), 3: (2, 3), 4: (2, 10), 5: (3, 12), 6: (3, 50)}  # line → epoch, rate
        lines = [line(10 * i if i < 6 else 57, 1, epoch, speed) for i, (epoch, speed) in rates.items()]
        self.assertEqual(gpu_report.rate(lines, 10), 11)
        self.assertIsNone(gpu_report.rate(lines[:4], 10))

    def test_every_run_of_the_plan_has_lines_enough(self):
        for batch, (epochs, every) in gpu_steps.SPEED.items():
            an_epoch = gpu_steps.DATA["natal_8"] // batch
            steps = range(every, epochs * an_epoch + 1, every)
            self.assertGreaterEqual(sum((step - 1) // an_epoch >= 2 for step in steps), 8, batch)

    def test_benchmarks(self):
        text = json.dumps({"benchmarks": [{"name": "copy/B:512", "B/s": 2.5e12, "flop/s": 0, "of_ceiling": 0.9}]})
        self.assertEqual(gpu_report.benchmarks(text)[0]["bytes_per_second"], 2.5e12)
        self.assertEqual(gpu_report.benchmarks(text[:20]), [])


class Kernels(unittest.TestCase):
    def setUp(self):
        self.launches = gpu_report.ncu_launches((SOURCE / "tests/data/gpu/ncu.csv").read_text())

    def test_units(self):
        self.assertEqual(len(self.launches), 7)
        self.assertEqual(self.launches[0], {"name": "look_up_all", "bytes": 40e6, "ns": 20e3, "occupancy": 61.5})
        self.assertEqual((self.launches[1]["ns"], self.launches[1]["bytes"]), (8000, 8e6))
        self.assertEqual(self.launches[3]["ns"], 20e3)

    def test_names(self):
        self.assertEqual([launch["name"] for launch in self.launches[:6]],
                         ["look_up_all", "Kernel2", "update_dense", "look_up_all", "map_elements<Relu, 4>", "update_rows<8>"])
        ours = "void mal::kernels::cuda::<unnamed>::"
        self.assertEqual(gpu_report.short_name(f"{ours}forward_kernel<(mal::kernels::Precision)1>(mal::kernels::cuda::Chains<T>)"),
                         "forward_kernel<1>")

    def test_table(self):
        table = gpu_report.kernel_table(self.launches)
        # The test's look-up, after the last update, is not of a step.
        self.assertEqual(table[0], {"name": "look_up_all", "calls": 1, "us": 20, "bytes_per_second": 2e12, "occupancy": 61.5})
        self.assertEqual([row["us"] for row in table], [20, 4, 3, 2, 1])

    def test_no_permission(self):
        text = "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission\n"
        self.assertEqual(gpu_report.ncu_launches(text), [])
        self.assertIn("ERR_NVGPUCTRPERM", gpu_report.first_failure(text + "more\n"))


class Report(unittest.TestCase):
    def filled(self, folder=None):
        report = gpu_report.Report(folder)
        report.data["probe"] = {"device": "a GPU", "memory_gib": 79.6, "driver": "13.0", "copy_bytes_per_second": 4e12,
                                "flops_per_second": {"fp32": 5e13}}
        report.data["kernels"] = [{"name": f"kernel_{i}", "calls": 1, "us": 40 - i, "bytes_per_second": 2e12, "occupancy": 50}
                                  for i in range(40)]
        report.data["throughput"] = [{"model": m, "batch": b, "precision": p, "samples_per_second": 4096e3}
                                     for m in ("mal", "base") for b in (4096, 1024, 65536) for p in ("fp32", "tf32", "bf16")]
        report.data["losses"] = [{"data": "natal_40", "batch": 1024, "precision": "fp32", "steps": 40,
                                  "largest_relative_difference": 3e-6}] * 5
        report.data["beside_torch"] = [{"ours": 4e6, "torch_eager_sparse": 1e6, "ratio": 4}]
        return report

    def test_summary(self):
        report = self.filled()
        report.add("probe", "ok", 3)
        lines = report.summary().splitlines()
        self.assertLessEqual(len(lines), 30)
        self.assertEqual(lines[-1], "gpu_check: all passed")
        self.assertFalse(report.failed())
        report.case("device", "a|b", "it is wrong", 1)
        report.add("device", "FAILED", 3, "a|b: it is wrong")
        report.add("ncu", "not run", 0, "no time left")
        lines = report.summary().splitlines()
        self.assertLessEqual(len(lines), 30)
        self.assertEqual(lines[-1], "gpu_check: FAILED: device, ncu")
        self.assertIn("first failure: device: a|b: it is wrong", lines)
        self.assertEqual(sum(part.startswith("kernel_") for part in lines), 15)
        self.assertTrue(any(part.split() == ["kernel_0", "40.0", "1.0", "2000", "0.50", "0.50"] for part in lines), lines)
        self.assertIn("mal 4096: fp32 4.10M samples/s (1000 us)", "\n".join(lines))

    def test_files_are_rewritten_with_every_step(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            report = self.filled(folder)
            report.add("probe", "ok", 3)
            self.assertEqual([s["name"] for s in json.loads((folder / "report.json").read_text())["steps"]], ["probe"])
            report.case("device", "a|b", "it is wrong", 1)
            report.add("device", "FAILED", 3, "wrong")
            text = (folder / "report.md").read_text()
            for part in ("| device | FAILED | 3.0 | wrong |", "| device: a\\|b | it is wrong |", "| mal | 4096 | tf32 | 4096000 | 1000 |",
                         "| natal_40 | 1024 | fp32 | 40 | 3.0e-06 |", "| torch_eager_sparse | 1000000 |",
                         "| kernel_0 | 40.0 | 1.0 | 2000 | 0.50 | 0.50 |"):
                self.assertIn(part, text)
            self.assertEqual(sorted(path.name for path in folder.iterdir()), ["report.json", "report.md"])


class Runs(unittest.TestCase):
    """Commands and steps as gpu_check.py runs them."""

    def runner(self, folder, seconds=20):
        runner = gpu_check.Runner(type("Options", (), {"no_gpu": True, "dry_run": False, "out": folder, "seconds": seconds})())
        runner.work, runner.limit = pathlib.Path(folder) / "work", float("inf")
        return runner

    def test_a_command_ends_at_its_limit_with_what_it_started(self):
        with tempfile.TemporaryDirectory() as folder:
            runner, mark = self.runner(folder), pathlib.Path(folder) / "mark"
            done = runner.command("slow", ["sh", "-c", f"echo begun; (sleep 3; touch {mark}) & sleep 60"], 1)
            self.assertTrue(done.stopped and not done.ok and done.seconds < 3)
            self.assertIn("stopped after 1 s", done.why())
            self.assertIn("begun", (pathlib.Path(folder) / "gpu_check.log").read_text())
            runner.command("wait", ["sleep", "3"], 10)
            self.assertFalse(mark.exists())

    def test_libraries_of_cuda_are_found_only_where_they_lack(self):
        with tempfile.TemporaryDirectory() as folder:
            runner = self.runner(folder)
            runner.programs, runner.libraries = pathlib.Path(folder), ["/lib/of/cuda"]
            runner.environment["LD_LIBRARY_PATH"] = "/chosen"
            for name in gpu_steps.STARTS:
                (pathlib.Path(folder) / name).write_text(
                    '#!/bin/sh\ncase "$LD_LIBRARY_PATH" in /chosen:/lib/of/cuda) echo fine; exit 0;; esac\n' +
                    ('echo fine' if name == "mal_data" else
                     'echo "x: error while loading shared libraries: libcublas.so.13: cannot open"; exit 127') + "\n")
                (pathlib.Path(folder) / name).chmod(0o755)
            self.assertEqual(runner.start_all(), "")
            self.assertEqual(runner.environment["LD_LIBRARY_PATH"], "/chosen:/lib/of/cuda")
            runner.environment["LD_LIBRARY_PATH"] = ""
            self.assertIn("mal_gpu_train does not start: x: error while loading", runner.start_all())

    def test_a_log_has_its_limit(self):
        with tempfile.TemporaryDirectory() as folder:
            runner = self.runner(folder)
            for _ in range(60):
                runner.log("begin " + "x" * 1_000_000 + " end")
            text = (pathlib.Path(folder) / "gpu_check.log").read_text()
            self.assertLess(len(text), 14 << 20)
            self.assertEqual((text.count("begin"), text.count(" end\n")), (60, 60))

    def test_steps_after_the_deadline_are_not_run_and_a_failure_ends_no_other(self):
        def broken(runner, report):
            raise KeyError("x")

        with tempfile.TemporaryDirectory() as folder:
            runner, report, ran = self.runner(folder, 6), gpu_report.Report(), []
            step = lambda name, call: gpu_check.run_step(runner, gpu_steps.Step(name, call, 1, 10, ""), report)
            step("a", broken)
            step("b", lambda runner, report: ran.append(1))
            runner.deadline -= 3
            step("c", lambda runner, report: ran.append(2))
            self.assertEqual([s["state"] for s in report.data["steps"]], ["FAILED", "ok", "not run"])
            self.assertIn("KeyError", report.data["steps"][0]["message"])
            self.assertEqual((ran, len(report.failed())), ([1], 2))

    def test_the_plan_fits(self):
        self.assertLessEqual(sum(step.expected for step in gpu_steps.STEPS), 430)

    def test_names_as_specifications(self):
        self.assertEqual(gpu_steps.exact("a NaN, in [x]"), "a NaN\\, in \\[x\\]")

    def test_too_few_rows(self):
        with tempfile.TemporaryDirectory() as folder:
            source, to = pathlib.Path(folder) / "a", pathlib.Path(folder) / "b"
            source.write_text("head\n1\n2\n3\n")
            gpu_steps.cut(source, to, 2)
            self.assertEqual(to.read_text(), "head\n1\n2\n")
            with self.assertRaisesRegex(RuntimeError, "has 3 rows, not 4"):
                gpu_steps.cut(source, to, 4)


if __name__ == "__main__":
    unittest.main()
