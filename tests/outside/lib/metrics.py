"""Reads /metrics as Prometheus' own client library does; families and samples as JSON."""

import io
import json
import sys

from prometheus_client.parser import text_fd_to_metric_families

families = text_fd_to_metric_families(io.StringIO(sys.stdin.read()))
print(json.dumps([
    {
        "name": family.name,
        "type": family.type,
        "help": family.documentation,
        "samples": [[one.name, one.labels, one.value] for one in family.samples],
    }
    for family in families
]))
