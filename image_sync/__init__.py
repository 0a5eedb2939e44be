"""image-sync keeps a list of container images fresh in a cache registry.

The way of one image: `cli` reads flags, `config` gives specs, `compose` wires the parts,
`sync.runner` asks both sides through `registry`, `sync.plan` decides, an engine of `engines` copies
by digest, `sync.commit` verifies and moves the tag; events go to the log, results to the report.
Imports point down that list only; docs/design.md says why.
"""
