"""The embedded control plane: the least Kubernetes API server on which canary, its CLI and the lab run.

It lives in the process of the lab, keeps everything in memory and starts in milliseconds, so that a newcomer waits for
no build. `plane.EmbeddedPlane` is the way in; `http` turns requests into calls of `objects`, which applies the API's
rules and writes to `store`; `controllers` follow the store as kube-controller-manager would.
It promises nothing more than the conformance table under `e2e/conformance` shows. Everybody is admin (no RBAC), there
is no admission chain, no server-side apply and no protobuf; nothing survives the process.
"""
