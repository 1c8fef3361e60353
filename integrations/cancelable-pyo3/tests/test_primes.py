"""What a Python program sees of a module on `cancelable`. Run by `tests/python.rs`, with the module in PYTHONPATH."""

import asyncio
import contextlib
import datetime
import math
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time
import unittest

import primes

FOREVER = 2**63
LINE = r"primes\.rs:\d+:\d+"
ANY_LINE = r"\.rs:\d+:\d+"


def until_running():
    """Until a count runs, in whichever thread. It cannot while the interpreter's lock is held."""
    give_up = time.monotonic() + 60
    while primes.running() == 0:
        assert time.monotonic() < give_up, "no count has begun"
        time.sleep(0.001)


@contextlib.contextmanager
def beside(action):
    """Does something in another thread as soon as a count runs."""

    def act():
        until_running()
        action()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextlib.contextmanager
def handled(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


class Primes(unittest.TestCase):
    def tearDown(self):
        self.assertEqual(primes.running(), 0)

    def assert_tells(self, error, kind, scope="count_primes"):
        self.assertEqual(error.kind, kind)
        self.assertEqual(error.scope, scope)
        self.assertEqual(error.scope_path[-1], "count_primes")
        # Where the time was up before it had begun, that is a line of the crate's.
        self.assertRegex(error.noticed_at, ANY_LINE)
        self.assertIn(error.noticed_at, error.report)
        self.assertIn(error.requested_at, error.report)
        self.assertGreaterEqual(error.latency, 0)

    def test_it_counts(self):
        self.assertEqual(primes.count_primes(1000), 168)
        self.assertEqual(primes.count_primes(1000, timeout=1e300), 168)
        self.assertEqual(primes.count_primes(1000, timeout=math.inf), 168)
        self.assertEqual(primes.count_primes(1000, timeout=datetime.timedelta(days=1)), 168)
        self.assertEqual(primes.count_primes(1000, timeout=None, token=None), 168)

    def test_a_timeout_ends_it(self):
        for timeout in [0.01, datetime.timedelta(milliseconds=10)]:
            with self.assertRaises(primes.TimedOut) as raised:
                primes.count_primes(FOREVER, timeout=timeout)
            error = raised.exception
            self.assertIsInstance(error, TimeoutError)
            self.assertIsInstance(error, primes.Cancelled)
            self.assert_tells(error, "Timeout")
            self.assertRegex(error.requested_at, LINE)
            self.assertIn(error.requested_at, str(error))
            self.assertIn(error.noticed_at, str(error))

    def test_no_time_at_all_is_refused(self):
        with self.assertRaises(primes.TimedOut) as raised:
            primes.count_primes(FOREVER, timeout=0)
        self.assertEqual(raised.exception.scope, "count_primes")

    def test_what_is_no_timeout_is_said(self):
        for timeout, error in [(-1, ValueError), (math.nan, ValueError), ("1s", TypeError), ([], TypeError)]:
            with self.assertRaises(error) as raised:
                primes.count_primes(FOREVER, timeout=timeout)
            self.assertIn("timeout", str(raised.exception))
        with self.assertRaises(ValueError):
            primes.count_primes(FOREVER, timeout=datetime.timedelta(seconds=-1))

    def test_ctrl_c_ends_it(self):
        with self.assertRaises(KeyboardInterrupt) as raised:
            with beside(interrupt):
                primes.count_primes(FOREVER)
        error = raised.exception
        self.assertIs(type(error), KeyboardInterrupt)
        self.assert_tells(error, "Error")
        if sys.version_info >= (3, 11):
            (note,) = error.__notes__
            self.assertIn(error.requested_at, note)
            self.assertIn(error.noticed_at, note)

    def test_what_a_handler_raises_is_raised(self):
        class Stop(Exception):
            pass

        def stop(*_):
            raise Stop("enough")

        with handled(stop), self.assertRaises(Stop) as raised:
            with beside(interrupt):
                primes.count_primes(FOREVER)
        self.assertEqual(raised.exception.args, ("enough",))
        self.assert_tells(raised.exception, "Error")

    def test_a_handler_that_raises_nothing_ends_nothing(self):
        token = primes.Token()
        calls = []

        def note(*_):
            # It is called in the middle of the count, and another count can be called from it.
            calls.append(primes.count_primes(100))
            token.cancel()

        with handled(note), self.assertRaises(primes.Cancelled) as raised:
            with beside(interrupt):
                primes.count_primes(FOREVER, token=token)
        self.assertEqual(calls, [25])
        self.assert_tells(raised.exception, "Manual", scope=None)

    def test_another_thread_ends_it(self):
        token = primes.Token()
        self.assertFalse(token.is_cancelled)
        with self.assertRaises(primes.Cancelled) as raised:
            with beside(lambda: token.child().cancel() or token.cancel("no longer wanted")):
                primes.count_primes(FOREVER, token=token, timeout=3600)
        error = raised.exception
        self.assertTrue(token.is_cancelled)
        self.assertNotIsInstance(error, TimeoutError)
        self.assert_tells(error, "Manual", scope=None)
        self.assertEqual(error.function, "primes::count")
        # The line of Python that has asked.
        self.assertRegex(str(error), r"no longer wanted, by .*test_primes\.py:\d+")
        token.cancel("again")
        with self.assertRaisesRegex(primes.Cancelled, "no longer wanted"):
            primes.count_primes(FOREVER, token=token)

    def test_a_thread_that_is_not_the_main_one(self):
        token = primes.Token()
        raised = []

        def count():
            try:
                primes.count_primes(FOREVER, token=token)
            except primes.Cancelled as error:
                raised.append(error)

        thread = threading.Thread(target=count)
        thread.start()
        until_running()
        token.cancel()
        thread.join()
        self.assert_tells(raised[0], "Manual", scope=None)

    def test_asyncio(self):
        async def main():
            token = primes.Token()
            task = asyncio.create_task(asyncio.to_thread(primes.count_primes, FOREVER, token=token))
            while primes.running() == 0:
                await asyncio.sleep(0)
            token.cancel()
            with self.assertRaises(primes.Cancelled):
                await task

        asyncio.run(main())

    def test_a_scope_round_a_function_of_python(self):
        self.assertEqual(primes.within(lambda: primes.count_primes(10)), 4)
        with self.assertRaises(primes.TimedOut) as raised:
            primes.within(lambda: primes.count_primes(FOREVER, timeout=3600), timeout=0.01)
        self.assertEqual(raised.exception.scope, "within")
        token = primes.Token()
        with self.assertRaises(primes.Cancelled) as raised:
            with beside(token.cancel):
                primes.within(lambda: primes.count_primes(FOREVER, timeout=3600), token=token)
        self.assert_tells(raised.exception, "Manual", scope=None)
        self.assertEqual(raised.exception.scope_path, ["within", "count_primes"])
        with self.assertRaises(ZeroDivisionError):
            primes.within(lambda: 1 / 0, timeout=3600)
        with self.assertRaises(KeyboardInterrupt):
            with beside(interrupt):
                primes.within(lambda: primes.count_primes(FOREVER), timeout=3600)

    def test_threads_of_its_own(self):
        self.assertEqual(primes.count_in_parallel(1000, threads=3), 168)
        with self.assertRaises(ValueError):
            primes.count_in_parallel(1000, threads=0)
        with self.assertRaises(primes.TimedOut):
            primes.count_in_parallel(FOREVER, timeout=0.01)
        with self.assertRaises(KeyboardInterrupt) as raised:
            with beside(interrupt):
                primes.count_in_parallel(FOREVER)
        self.assertEqual(raised.exception.scope, "count_in_parallel")
        self.assertEqual(raised.exception.function, "primes::count")

    def test_a_wait_for_something_async(self):
        self.assertIsNone(primes.wait(0.001, timeout=3600))
        with self.assertRaises(primes.TimedOut):
            primes.wait(3600, timeout=0.01)
        with self.assertRaises(KeyboardInterrupt) as raised:
            with beside(interrupt):
                primes.wait(3600)
        self.assertEqual(raised.exception.scope, "wait")
        self.assertRegex(raised.exception.noticed_at, LINE)
        token = primes.Token()
        with self.assertRaises(primes.Cancelled) as raised:
            with beside(token.cancel):
                primes.wait(math.inf, token=token)
        self.assertEqual(raised.exception.scope_path, ["wait"])

    def test_an_exception_can_be_pickled(self):
        with self.assertRaises(primes.TimedOut) as raised:
            primes.count_primes(FOREVER, timeout=0.001)
        copy = pickle.loads(pickle.dumps(raised.exception))
        self.assertEqual(str(copy), str(raised.exception))
        self.assertEqual(copy.noticed_at, raised.exception.noticed_at)

    def test_an_interpreter_that_shuts_down_ends_it(self):
        program = """
import primes, threading
threading.Thread(target=primes.count_primes, args=(2**63,), daemon=True).start()
while primes.running() == 0:
    pass
print("running")
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "running\n", ""))


class Program(unittest.TestCase):
    """`examples/count.py`."""

    PROGRAM = pathlib.Path(__file__).parent.parent / "examples" / "count.py"

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, self.PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def end(self, program):
        out, err = program.communicate(timeout=60)
        return program.returncode, out, err

    def test_it_counts(self):
        self.assertEqual(self.end(self.start("1000")), (0, "168\n", "counting, Ctrl-C stops it\n"))

    def test_a_timeout(self):
        code, out, err = self.end(self.start(str(FOREVER), "--timeout", "0.01"))
        self.assertEqual((code, out), (124, ""))
        self.assertRegex(err, f"timed out after 10ms .*{LINE}.*{ANY_LINE}")

    def test_ctrl_c(self):
        program = self.start(str(FOREVER))
        self.assertEqual(program.stderr.readline(), "counting, Ctrl-C stops it\n")
        program.send_signal(signal.SIGINT)
        code, out, err = self.end(program)
        self.assertEqual((code, out), (130, ""))
        # By a check point, unless the signal was there before that.
        self.assertRegex(err, f"^interrupted, noticed at (.*{ANY_LINE}|a line of Python)\n$")

    def test_wrong_arguments(self):
        for arguments in [["x"], [], ["10", "--timeout", "soon"], ["10", "--timeout", "-1"], ["-5"]]:
            code, out, err = self.end(self.start(*arguments))
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertIn("usage", err)


if __name__ == "__main__":
    # What a shell starts in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    unittest.main()
