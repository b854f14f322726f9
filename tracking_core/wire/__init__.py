"""MLflow's REST 2.0 as one table of endpoints, which client and server share.

`endpoints` has the table, `messages` what is asked and answered, `codec` their bytes, `errors` what
isn't an answer. `contract_calls` is what only we speak: the storage contract's own methods.
"""
