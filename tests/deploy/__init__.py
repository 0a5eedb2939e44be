"""What is deployed is right before a cluster sees it."""
