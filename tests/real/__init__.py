"""Real registries, real images and real tools for tests.

Belongs here: starting and stopping CNCF distribution, `crane registry serve`, Zot and
`image-sync serve` as child processes; podman and containerd, as a node has them;
certificates and tokens made on the spot; a recorder that counts what goes over the wire;
images built by hand, byte for byte the same each time. The HTTP here is http.client's, so
that no test checks the project's client with itself.

Does not belong here: registries that misbehave (`tests/hostile`), and assertions about
the project. Nothing here imports `image_sync`.
"""
