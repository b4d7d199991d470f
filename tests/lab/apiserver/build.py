"""Builders for the embedded server's tests: a cluster without HTTP, its objects, and time for its controllers."""

from collections.abc import Mapping

from canary.lab.apiserver.cluster import Cluster
from canary.lab.apiserver.controllers import Controllers
from canary.lab.apiserver.objects import Caller, Objects, Target
from canary.lab.apiserver.resources import Registry
from canary.lab.apiserver.store import Store
from canary.lab.apiserver.tree import Object, branch, copied, rows, text

ME = Caller(manager="test")
SHOP = "shop"
_ROUNDS = 50
_GROUPS = {"deployments": "apps", "replicasets": "apps", "customresourcedefinitions": "apiextensions.k8s.io"}


class Town:
    """A cluster with one namespace, and controllers that run when told to."""

    def __init__(self) -> None:
        self.store = Store()
        self.objects = Objects(self.store, Registry())
        self.cluster = Cluster(self.objects)
        self.controllers = Controllers(self.objects)
        self.create("namespaces", {"metadata": {"name": SHOP}})

    def target(self, plural: str, name: str = "", subresource: str = "") -> Target:
        """Name a thing of a built-in kind."""
        group = _GROUPS.get(plural, "")
        resource = self.objects.registry.find(group, "v1", plural)
        assert resource is not None
        return Target(resource, SHOP if resource.namespaced else "", name, subresource)

    def create(self, plural: str, body: Mapping[str, object]) -> Object:
        return self.objects.create(self.target(plural), dict(body), ME)

    def get(self, plural: str, name: str) -> Object:
        return self.objects.get(self.target(plural, name))

    def all(self, plural: str) -> list[Object]:
        target = self.target(plural)
        return self.store.select(target.resource.store_kind, target.namespace)

    def change(self, plural: str, name: str, patch: object, subresource: str = "") -> Object:
        kind = "application/merge-patch+json"
        return self.objects.patch(self.target(plural, name, subresource), patch, kind, ME)

    def settle(self, now: float = 0.0) -> None:
        """Let the controllers work until they have nothing to do."""
        for _ in range(_ROUNDS):
            if not self.controllers.catch_up(now):
                return
        raise AssertionError("the controllers do not come to rest")

    def make_ready(self, *pods: Object, since: str = "2026-01-01T00:00:00Z") -> None:
        """Write the status of pods as a node would."""
        for pod in pods:
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
            self.change("pods", name_of(pod), {"status": {"phase": "Running", "conditions": [ready]}}, "status")
        self.settle()

    def make_all_ready(self) -> None:
        """Let every pod become ready, also those that come because others have."""
        for _ in range(_ROUNDS):
            waiting = [pod for pod in self.all("pods") if text(pod, "status", "phase") == "Pending"]
            if not waiting:
                return
            self.make_ready(*waiting)
        raise AssertionError("there is no end of pods")


def name_of(obj: Object) -> str:
    return text(obj, "metadata", "name")


def a_deployment(replicas: int = 2, image: str = "web:1", **spec: object) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": image}]}}
    selector = {"matchLabels": {"app": "web"}}
    return {
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": selector, "template": template, **spec},
    }


def ship(town: Town, image: str) -> None:
    """Change the image of the Deployment `web`, and let the controllers see it."""
    template = copied(branch(town.get("deployments", "web"), "spec", "template"))
    rows(template, "spec", "containers")[0]["image"] = image
    town.change("deployments", "web", {"spec": {"template": template}})
    town.settle()


def condition(obj: Object, kind: str) -> Object:
    return next(row for row in rows(obj, "status", "conditions") if row["type"] == kind)
