"""What talks to exchanges: paper and live venues, and market data."""
