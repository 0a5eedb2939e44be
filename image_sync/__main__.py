"""`python -m image_sync`."""

from image_sync.cli import main

main()
