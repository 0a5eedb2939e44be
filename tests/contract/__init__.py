"""What every engine promises, over every engine and every registry at hand."""
