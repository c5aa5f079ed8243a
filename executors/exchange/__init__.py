"""The local exchange: the venue's protocol on loopback, to practise without money."""
