"""Checks rendered manifests: whoever has to know by which address clients come reads it from the one ConfigMap that says so."""

import sys

import yaml

CONFIG_MAP = "tollgate-public"

# Which container is told by which variable.
TOLD = {
    "gateway": "TOLLGATE_GATEWAY__AUTHENTICATION__ISSUER",
    "users-service": "TOLLGATE_USERS__TOKENS__ISSUER",
    "accounts-service": "TOLLGATE_ACCOUNTS__RECEIPTS__ISSUER",
}


def containers(manifest):
    """The containers of whatever makes pods."""
    pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
    return pod.get("containers", [])


def mistakes(manifests, wanted):
    """Everything that would let a token, a mail or a receipt name an address that nobody chose."""
    maps = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "ConfigMap"}
    told = 0
    for manifest in manifests:
        for container in containers(manifest):
            service = container["image"].split("/")[-1].split(":")[0]
            if service not in TOLD:
                continue
            told += 1
            place = f"{manifest['kind']}/{manifest['metadata']['name']}"
            rows = [row for row in container.get("env", []) if row["name"] == TOLD[service]]
            if len(rows) != 1 or "configMapKeyRef" not in rows[0].get("valueFrom", {}):
                yield f"{place}: {TOLD[service]} is not read from {CONFIG_MAP}"
                continue
            reference = rows[0]["valueFrom"]["configMapKeyRef"]
            name, key = reference["name"], reference["key"]
            # A generated one has the hash of its content behind its name.
            if not name.startswith(CONFIG_MAP) or key != "url" or reference.get("optional"):
                yield f"{place}: reads {name}/{key} instead of {CONFIG_MAP}/url"
            elif wanted:
                url = maps.get(name, {}).get("data", {}).get(key, "")
                if not url.startswith(("http://", "https://")) or url.endswith("/"):
                    yield f"{place}: {name}/{key} is no public address: {url!r}"
    if told < 5:
        yield f"only {told} of gateway, users, accounts and what migrates them are there"


def main():
    wanted = "--told" in sys.argv
    path = sys.argv[-1]
    with open(path, encoding="utf-8") as file:
        manifests = [manifest for manifest in yaml.safe_load_all(file) if manifest]
    found = list(mistakes(manifests, wanted))
    for mistake in found:
        print(f"{path}: {mistake}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
