"""The agent: one transformer with one set of weights. `model` trains, `generate` decodes, `policy` acts."""
