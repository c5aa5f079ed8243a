"""The outermost layer: what ties ledger, executors and projections together."""
