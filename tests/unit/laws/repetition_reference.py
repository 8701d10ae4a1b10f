"""Makes the table of forms_published_test.cpp: the repetition law (Muennighoff et al. 2023) at its published
constants, in 50 digits. Run: python3 repetition_reference.py"""
from decimal import Decimal, getcontext

getcontext().prec = 50
E, A, B = Decimal("1.87"), Decimal("521"), Decimal("1488")
ALPHA = BETA = Decimal("0.353")
RD, RN = Decimal("15.387756"), Decimal("5.309743")


def power(x, exponent):
    return (exponent * x.ln()).exp()


def effective(unique, processed, limit):
    return unique + unique * limit * (1 - (-(processed / unique - 1) / limit).exp())


def loss(params, tokens, unique):
    params, tokens, unique = Decimal(params), Decimal(tokens), Decimal(unique)
    unique = min(tokens, unique)
    g = power(ALPHA * A / (BETA * B), 1 / (ALPHA + BETA))
    base = min(params, g * power(g * unique, BETA / ALPHA))
    return E + A / power(effective(base, params, RN), ALPHA) + B / power(effective(unique, tokens, RD), BETA)


for row in [("1e9", "1e11", "1e11"), ("1e9", "1e11", "2.5e10"), ("1e8", "4e10", "1e9"), ("8.7e9", "1.78e11", "2.5e10"),
            ("2e10", "5e10", "1e9"), ("5e7", "1e9", "1e10"), ("4.2e9", "8.4e10", "8.4e10"), ("1e10", "1e12", "4e11")]:
    print("    {%s, %s, %s, %s}," % (*row, format(loss(*row), ".18f")))
print("effective epochs of 4:", format(effective(Decimal(1), Decimal(4), RD), ".18f"))
