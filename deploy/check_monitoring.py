"""Checks a Grafana dashboard where no Grafana is, and writes its questions as rules, for promtool to read."""

import json
import sys

# What Grafana puts in their place; any would do.
VARIABLES = {"$__rate_interval": "5m"}
COLUMNS = 24


def cells(panel):
    """Where a panel lies."""
    at = panel["gridPos"]
    if at["x"] + at["w"] > COLUMNS:
        raise SystemExit(f"{panel['title']}: beyond the right edge")
    return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}


def questions(dashboard):
    """The expression of each line, once the panels are in order."""
    taken, ids = set(), set()
    for panel in dashboard["panels"]:
        if panel["id"] in ids:
            raise SystemExit(f"{panel['title']}: another panel has its id")
        if taken & cells(panel):
            raise SystemExit(f"{panel['title']}: lies over another panel")
        ids.add(panel["id"])
        taken |= cells(panel)
        if panel["type"] == "row":
            continue
        if not panel["targets"] or not panel["description"]:
            raise SystemExit(f"{panel['title']}: asks or says nothing")
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            if "$" in expression:
                raise SystemExit(f"{panel['title']}: a variable that is not there: {expression}")
            yield expression


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        dashboard = json.load(file)
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(questions(dashboard))]
    # JSON is YAML.
    json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, sys.stdout)


main()
