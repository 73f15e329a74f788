"""Real numbers, in three encodings.

`tokens` gives each scalar a position (Gato); `vector` gives a whole observation one position; `action` gives a whole
action vector one position, still predicted as discrete bins.
"""
