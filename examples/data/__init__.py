"""The small price series of the demo."""
