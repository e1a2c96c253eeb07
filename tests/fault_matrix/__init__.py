"""`make faults`: each part is hurt under a steady load, and an independent ledger says what came.

A row names a victim, what befalls it, and what may be noticed; `matrix` carries it out upon a
`Deployment` of real parts and processes, with `traffic` flowing, and lets the `ledger` judge.
"""
