"""A service, its mesh and its Prometheus on a virtual clock: the shipped decisions, tried without a cluster.

`canary simulate` plays releases in it: `decide` in every tick, with the counters, the pods and the split that it would
see. Nothing is real here but the decisions, and nothing waits.
"""
