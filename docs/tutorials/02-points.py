"""Losses that tutorial 2 fits: a stated law with noise, so that the answer is known. Prints a CSV.

    L = 1.82 + 482 / N^0.348 + 2085 / D^0.366 nats/token (Besiroglu et al. 2024, rounded), log-normal noise of 0.4%

Five compute budgets with six sizes each. Made to be imperfect: one run diverged, and at the largest budget nobody
trained a size above the best one.
"""
import math
import random

noise = random.Random(2)
print("Model,Params,Training tokens,Final loss,status,params_kind,loss_unit,stage")
for budget in (1e17, 3e17, 1e18, 3e18, 1e19):
    best = 0.1196 * (budget / 6) ** 0.5126
    spread = (0.25, 0.42, 0.7, 1.2, 2.0, 3.4) if budget < 1e19 else (0.1, 0.15, 0.22, 0.33, 0.5, 0.75)
    for share in spread:
        n = best * share
        d = budget / (6 * n)
        loss = (1.82 + 482 / n**0.348 + 2085 / d**0.366) * math.exp(0.004 * noise.gauss(0, 1))
        diverged = budget == 3e18 and share == 3.4
        shown = ("nan", "diverged") if diverged else (f"{loss:.4f}", "finished")
        print(f"{n / 1e6:.0f}M at {budget:.0e},{n:.6g},{d:.6g},{shown[0]},{shown[1]},total,nats,final")
