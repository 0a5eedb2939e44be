"""Speed and memory of a pass that has nothing to copy, beside crane and regsync, on loopback.

`python -m tests.bench --help`. Figures are printed and never asserted. What a pass does right or
wrong belongs in the tests; here it is only checked that every contender did all of its work.
"""
