"""The builtin engine, part by part and against registries that misbehave."""
