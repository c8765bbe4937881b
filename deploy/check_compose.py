"""Checks a Compose file where no Docker engine is: every reference between its parts must lead somewhere."""

import sys

import yaml


# What each service that listens for others has to be told, or it refuses to start.
ISSUERS = {
    "TOLLGATE_GATEWAY": "TOLLGATE_GATEWAY__AUTHENTICATION__ISSUER",
    "TOLLGATE_USERS": "TOLLGATE_USERS__TOKENS__ISSUER",
    "TOLLGATE_ACCOUNTS": "TOLLGATE_ACCOUNTS__RECEIPTS__ISSUER",
}


def mistakes(compose):
    """Every reference to a secret, config, volume or service that is not there."""
    services = compose["services"]
    for name, service in services.items():
        if "image" not in service and "build" not in service:
            yield f"{name}: neither image nor build"
        for secret in service.get("secrets", []):
            if secret not in compose.get("secrets", {}):
                yield f"{name}: no secret {secret}"
        for config in service.get("configs", []):
            if config["source"] not in compose.get("configs", {}):
                yield f"{name}: no config {config['source']}"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if not source.startswith((".", "/")) and source not in compose.get("volumes", {}):
                yield f"{name}: no volume {source}"
        for other, rule in service.get("depends_on", {}).items():
            if other not in services:
                yield f"{name}: depends on {other}, which is not there"
            elif rule["condition"] == "service_healthy" and "healthcheck" not in services[other]:
                yield f"{name}: waits for the health of {other}, which has no healthcheck"
        for key, value in service.get("environment", {}).items():
            if key.endswith("__SERVER__LISTEN") and not value.startswith("127."):
                issuer = ISSUERS.get(key.split("__")[0])
                if issuer and issuer not in service["environment"]:
                    yield f"{name}: {issuer} does not say by which address clients come"
            if key.endswith("_FILE") and value.startswith("/run/secrets/"):
                if value.removeprefix("/run/secrets/") not in service.get("secrets", []):
                    yield f"{name}: {key} reads a secret that is not mounted"


    public = {
        value
        for service in services.values()
        for key, value in service.get("environment", {}).items()
        if key in ISSUERS.values()
    }
    if len(public) != 1:
        yield f"gateway, users and accounts have to be told one public address: {sorted(public)}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = list(mistakes(yaml.safe_load(file)))
    for mistake in found:
        print(f"{sys.argv[1]}: {mistake}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
