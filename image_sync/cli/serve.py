"""`image-sync serve`: the embedded registry alone, until a signal ends it."""

from pathlib import Path

import click

from image_sync.cli.options import with_log


@click.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the images.  [default: $XDG_DATA_HOME/image-sync/registry]",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:5050",
    show_default=True,
    help="Address to listen on.",
)
@click.option(
    "--auth-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Accounts, as htpasswd -B writes them.",
)
@click.option(
    "--tls-cert",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Certificate, and after it those that lead to an authority, PEM: serve over TLS.",
)
@click.option(
    "--tls-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Private key of the certificate, PEM, without a password.",
)
@click.option("--insecure-public", is_flag=True, help="Let everybody on the network use it.")
@click.option("--read-only", is_flag=True, help="Serve what is there, and change nothing.")
@click.option("--gc", "collect", is_flag=True, help="Remove what nothing needs, and end.")
@with_log
def serve(
    root: Path | None,
    listen: str,
    auth_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    *,
    insecure_public: bool,
    read_only: bool,
    collect: bool,
) -> int:
    """Serve a registry of our own over a folder of OCI image layouts.

    Ends in order on SIGTERM and SIGINT. The folder is laid out as Zot's is.
    """
    # Imported here: help and a slip need no server.
    from image_sync.cli.registry import Wanted, collect_garbage, until_stopped  # noqa: PLC0415

    if collect:
        return collect_garbage(root)
    tls = tls_cert, tls_key
    return until_stopped(Wanted(root, listen, auth_file, tls, insecure_public, read_only))
