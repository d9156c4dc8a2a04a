"""What the tests over random logs share."""
import os
import sys
import tempfile


def each(default, check, context=lambda: ""):
    """Calls check(seed) in a folder of its own, for as many seeds as the command line says (PROGRAM BINARY [LOGS [FIRST]]), and yields
    what it returns. An assertion that fails ends the program with the seed; context() is added to the message."""
    logs = int(sys.argv[2]) if len(sys.argv) > 2 else default
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    for seed in range(first, first + logs):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                result = check(seed)
            except AssertionError as error:
                sys.exit(f"random log {seed} ({sys.argv[0]} {sys.argv[1]} 1 {seed} runs it alone): {error}{context()}")
            finally:
                os.chdir("/")
        yield result
