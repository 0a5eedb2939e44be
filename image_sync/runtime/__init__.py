"""What touches the machine below everything else: child processes, retries, files.

Knows nothing of registries and images. Each module here is the only user of what it wraps.
"""
