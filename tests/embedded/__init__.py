"""The embedded registry from outside: the conformance suite, Zot, and the clients people have."""
