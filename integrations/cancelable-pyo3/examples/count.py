"""Counts the primes below a number, with the module `primes`. Ctrl-C stops it (exit code 130), and so does a timeout (124)."""

import argparse
import sys

import primes


def seconds(text):
    value = float(text)
    if not value >= 0:
        raise ValueError
    return value


def number(text):
    value = int(text)
    if not 0 <= value < 2**64:
        raise ValueError
    return value


def main():
    parser = argparse.ArgumentParser(description="Counts the primes below a number.")
    parser.add_argument("below", type=number, help="a whole number")
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="give up after so long")
    arguments = parser.parse_args()
    try:
        print("counting, Ctrl-C stops it", file=sys.stderr, flush=True)
        print(primes.count_primes(arguments.below, timeout=arguments.timeout))
    except primes.TimedOut as error:
        print(error, file=sys.stderr)
        return 124
    except KeyboardInterrupt as error:
        # Between two lines of Python it has nobody who has noticed.
        print("interrupted, noticed at", getattr(error, "noticed_at", "a line of Python"), file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
