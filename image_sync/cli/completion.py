"""`image-sync completion`: the script that makes a shell complete our verbs and options."""

import click
from click.shell_completion import get_completion_class

from image_sync.cli.streams import write_result

_VARIABLE = "_IMAGE_SYNC_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    For bash: `source <(image-sync completion bash)`.
    """
    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"no completion for {shell}")
    script = completer(ctx.find_root().command, {}, "image-sync", _VARIABLE).source()
    write_result(lambda stream: print(script, file=stream))
