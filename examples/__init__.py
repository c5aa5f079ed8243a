"""Strategies that trade through the public command API only."""
