"""The write side: intents, events, the order's life, the log, the manager."""
