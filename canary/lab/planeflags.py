"""With which flags the parts of the real control plane run. Called by `realplane`; pure.

Service accounts' requests go to an audit log, which is where the tests of the chart read what the controller asks for;
those of the administrator, whom stories and lab use, do not.
"""

from pathlib import Path
from typing import Final

TOKENS: Final = "tokens.csv"
AUDIT_LOG: Final = "audit.log"
AUDIT_POLICY: Final = "audit-policy.yaml"
AUDITED: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],  # a watch is logged when it begins, all else when it was answered
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
}

# What a rollout and an uninstallation need, and that without which namespaces could not be used and deleted and the
# roles "view" and "edit" would be empty. All the others would only cost memory: there are no nodes or volumes here.
CONTROLLERS: Final = (
    "deployment-controller,replicaset-controller,job-controller,endpointslice-controller,garbage-collector-controller,"
    "namespace-controller,serviceaccount-controller,clusterrole-aggregation-controller"
)


def etcd(home: Path, client: int, peer: int) -> list[str]:
    """Let one member keep its data in `home` and serve the API server on `client`."""
    return [
        f"--data-dir={home / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",  # what is lost with the machine may be lost here
        "--heartbeat-interval=20",  # milliseconds: one member has nobody to hear from before it leads
        "--election-timeout=200",
        "--log-level=warn",
    ]


def apiserver(home: Path, etcd: int, port: int) -> list[str]:
    """Serve on `port`, authorise by RBAC, and log what service accounts ask."""
    # The API server makes its certificate before it reads the key for service account tokens: one key does for both.
    key = home / "certificates" / "apiserver.key"
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={key.parent}",
        "--authorization-mode=RBAC",
        f"--audit-policy-file={home / AUDIT_POLICY}",
        f"--audit-log-path={home / AUDIT_LOG}",
        f"--token-auth-file={home / TOKENS}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=127.10.0.0/16",
        "--disable-admission-plugins=ServiceAccount",  # pods need no token, and nobody would mount it
        # No endpoints for the service "kubernetes", so nothing to announce: the default would look for a network card.
        "--endpoint-reconciler-type=none",
        "--advertise-address=10.244.0.1",
    ]


def controllers(kubeconfig: Path) -> list[str]:
    """Run the few controllers that the lab needs."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--controllers={CONTROLLERS}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
