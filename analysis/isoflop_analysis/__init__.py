"""Reads what isoflop records (results.h5, run.h5, fit-*.json, prediction.json) and shows it.

Shares no code with the C++ program, so that agreement between the two means something:
`refit` fits the Chinchilla form again from the same points.
Symbols as in the rest of the project: N total parameters, D training tokens, C = 6 N D FLOP, L nats/token.
"""
