"""Integers: `tokens` gives each value a position (Gato), `vector` gives a whole array one position."""
