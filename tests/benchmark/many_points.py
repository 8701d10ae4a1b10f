#!/usr/bin/env python3
"""Prints a CSV of points for timing isoflop's fits: the surface of Besiroglu et al. 2024 with 0.4% of noise.

    many_points.py scattered COUNT        params 1e6 to 3e9, 2 to 300 tokens a parameter, compute without gaps
    many_points.py groups COUNT           the same in groups of 100
    many_points.py isoflop COUNT          twelve budgets 1e18 to 3e21 FLOP, sizes within 6 times the best
    many_points.py curves RUNS RECORDS    losses along runs of 25 sizes
    many_points.py repeated COUNT         every row of COUNT / 2 scattered ones twice
"""
import math
import random
import sys

E, A, B, ALPHA, BETA = 1.8172, 482.01, 2085.43, 0.3478, 0.3658


def loss(params, tokens):
    return (E + A * params**-ALPHA + B * tokens**-BETA) * math.exp(random.gauss(0, 0.004))


def log_uniform(low, high):
    return math.exp(random.uniform(math.log(low), math.log(high)))


def scattered(count):
    for _ in range(count):
        params = log_uniform(1e6, 3e9)
        tokens = params * log_uniform(2, 300)
        yield params, tokens, loss(params, tokens)


def groups(count):
    return ((*row, f"group {i // 100}") for i, row in enumerate(scattered(count)))


def isoflop(count):
    scale = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA))
    for i in range(count):
        flops = 1e18 * 3000 ** ((i % 12) / 11)
        params = scale * (flops / 6) ** (BETA / (ALPHA + BETA)) * log_uniform(1 / 6, 6)
        yield params, flops / (6 * params), loss(params, flops / (6 * params))


def curves(runs, records):
    for run in range(runs):
        params = 1e7 * 300 ** ((run % 25) / 24)
        end = params * log_uniform(10, 200)
        for k in range(records):
            tokens = end * 30 ** (k / (records - 1) - 1)
            yield params, tokens, loss(params, tokens) * (1 + 0.05 * (1 - tokens / end) ** 1.5), f"run {run}"


def repeated(count):
    return (row for row in list(scattered(count // 2)) for _ in range(2))


def main(kind, *numbers):
    random.seed(7)
    make = {"scattered": scattered, "groups": groups, "isoflop": isoflop, "curves": curves, "repeated": repeated}[kind]
    print("params,tokens,loss" + (",group" if kind in ("groups", "curves") else ""))
    for row in make(*map(int, numbers)):
        print(*(value if isinstance(value, str) else repr(value) for value in row), sep=",")


if __name__ == "__main__":
    main(*sys.argv[1:])
