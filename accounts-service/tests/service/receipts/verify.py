"""Verifies receipts by somebody else's JWS implementation (Authlib): {"keys": [...], "receipts": [...]} in, payloads out."""

import json
import sys

from authlib.jose import JsonWebKey, JsonWebSignature

given = json.load(sys.stdin)
keys = JsonWebKey.import_key_set({"keys": given["keys"]})
jws = JsonWebSignature(["EdDSA"])


def payload(receipt):
    """What a receipt says, once its signature holds."""
    signed = jws.deserialize_compact(receipt, lambda header, _: keys.find_by_kid(header["kid"]))
    assert signed["header"]["typ"] == "tollgate-receipt+jwt", signed["header"]
    return json.loads(signed["payload"])


json.dump([payload(receipt) for receipt in given["receipts"]], sys.stdout)
