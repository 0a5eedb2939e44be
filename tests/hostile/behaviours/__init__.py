"""What a server can do wrong, one noun per file; each class names the rows of the fault table.

Everything here is a `Behaviour` for `Fault`, and composes by `Composed`. What a server does right
belongs in `registry.py`, `uploads.py` and `tokens.py`.
"""
