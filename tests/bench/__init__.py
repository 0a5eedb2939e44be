"""Speed, CPU time and memory of image-sync beside crane, regsync and skopeo, on loopback.

`python -m tests.bench --help`. Belongs here: the command line, and what every benchmark needs:
running a program and measuring it, registries, the delay proxy, pushing. `noop` is about passes
that have nothing to copy, `copying` about passes that copy into an empty cache, `serving` about the
embedded registry.

Figures are printed and never asserted. What a pass does right or wrong belongs in the tests; here
it is only checked that every contender did all of its work.
"""
