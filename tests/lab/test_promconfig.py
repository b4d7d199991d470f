from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from canary.lab.promconfig import RELABELLING, configuration

VIZ = Path(__file__).parents[3] / "shared" / "upstream" / "viz-prometheus.yml"


@pytest.mark.skipif(not VIZ.is_file(), reason="viz's own configuration is not at hand")
def test_the_relabelling_is_vizs_rule_by_rule() -> None:
    jobs = {job["job_name"]: job for job in yaml.safe_load(VIZ.read_text())["scrape_configs"]}
    assert jobs["linkerd-proxy"]["relabel_configs"] == RELABELLING


def test_the_file_has_one_job_with_the_labs_targets() -> None:
    written = yaml.safe_load(configuration("http://127.0.0.1:1/targets", timedelta(seconds=1.5)))
    assert written["global"]["scrape_interval"] == "1500ms"
    (job,) = written["scrape_configs"]
    assert job["job_name"] == "linkerd-proxy"
    assert job["http_sd_configs"] == [{"url": "http://127.0.0.1:1/targets", "refresh_interval": "1s"}]
