"""One kubeconfig or several: what counts is what kubectl would take, here asked of the API's client, too."""

from pathlib import Path

import pytest
import yaml

from canary.adapters.api import Api
from canary.adapters.kubeconfig import context_namespace, current_context, files
from tests.adapters.recorded import recorded, reply


def a_config(path: Path, *, current: str = "", **servers: str) -> str:
    """Write one with a context, a cluster and a namespace of each name."""
    config: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
        "users": [{"name": "u", "user": {}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "u", "namespace": f"in-{path.name}"}}
            for name in servers
        ],
    }
    path.write_text(yaml.safe_dump(config | ({"current-context": current} if current else {})))
    return str(path)


def test_of_a_list_the_first_to_say_a_thing_counts(tmp_path: Path) -> None:
    one, two = (
        a_config(tmp_path / "one", x="http://a"),
        a_config(tmp_path / "two", x="http://b", y="http://c", current="x"),
    )
    three = a_config(tmp_path / "three", y="http://d", current="y")
    several = Path(f"{tmp_path / 'none'}:{one}::{two}:{three}")
    assert [path.name for path in files(several)] == ["one", "two", "three"]
    assert (current_context(several), context_namespace(several)) == ("x", "in-one")


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00", "current-context:\ncontexts:\n"])
def test_one_that_says_nothing_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad").write_text(text)
    good = a_config(tmp_path / "good", x="http://a", current="x")
    assert context_namespace(Path(f"{tmp_path / 'bad'}:{good}")) == "in-good"
    assert (current_context(tmp_path / "bad"), context_namespace(tmp_path / "bad")) == ("", "")


async def test_a_connection_goes_where_the_first_current_context_leads(tmp_path: Path) -> None:
    async with recorded(reply(body={"items": []})) as server:
        named = a_config(tmp_path / "one", current="y", x="http://127.0.0.1:9")
        where = a_config(tmp_path / "two", current="x", y=server.url)
        api = await Api.connect(Path(f"{named}:{where}"))
        try:
            assert await api.get("/api/v1/pods") == {"items": []}
        finally:
            await api.close()
