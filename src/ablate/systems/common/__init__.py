"""Parts that several built-in systems are made of."""
