"""The pages, one module each: what to read, and which template shows it."""
