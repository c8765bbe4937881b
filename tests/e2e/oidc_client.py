"""OpenID Connect from the other side: Authlib, which knows nothing of Tollgate, and a user in front of the pages.

Usage: oidc_client.py ISSUER CA_FILE CLIENT_ID CLIENT_SECRET E-MAIL PASSWORD USER_ID
"""

import html
import re
import sys

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken

issuer, ca_file, client_id, client_secret, email, password, user_id = sys.argv[1:]
REDIRECT = "https://books.example.com/callback"
SCOPE = "openid profile email offline_access"
NONCE = "n-0S6_WzA2Mj"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def forms(page):
    """The hidden field and the address of the one form on a page."""
    request = re.search(r'name="request" value="([^"]+)"', page.text)
    action = re.search(r'<form method="post" action="([^"]+)"', page.text)
    assert request and action, page.text
    return html.unescape(request.group(1)), issuer + html.unescape(action.group(1))


def pressed(browser, page, **fields):
    """The form sent as a browser sends it, and where it leads."""
    request, action = forms(page)
    return browser.post(action, data={"request": request, **fields}, headers={"Origin": issuer}, allow_redirects=False)


found = requests.get(issuer + "/.well-known/openid-configuration", verify=ca_file)
found.raise_for_status()
server = found.json()
assert server["issuer"] == issuer, server
assert server["code_challenge_methods_supported"] == ["S256"], server

client = OAuth2Session(client_id, client_secret, scope=SCOPE, redirect_uri=REDIRECT, code_challenge_method="S256",
                       token_endpoint_auth_method="client_secret_basic")
client.verify = ca_file
address, state = client.create_authorization_url(server["authorization_endpoint"], code_verifier=VERIFIER, nonce=NONCE)
assert create_s256_code_challenge(VERIFIER) in address

browser = requests.Session()
browser.verify = ca_file
page = browser.get(address, allow_redirects=False)
assert page.status_code == 200, (page.status_code, page.text, page.headers)
wrong = pressed(browser, page, username=email, password="not her password 1")
assert wrong.status_code == 400 and "role=\"alert\"" in wrong.text, wrong.text
signed_in = pressed(browser, page, username=email, password=password)
assert signed_in.status_code == 303, (signed_in.status_code, signed_in.text)
question = browser.get(issuer + signed_in.headers["Location"], allow_redirects=False)
assert question.status_code == 200 and "Bookkeeper" in question.text, question.text
back = pressed(browser, question, decision="allow")
assert back.status_code == 303 and back.headers["Location"].startswith(REDIRECT + "?"), back.headers
assert "iss=" in back.headers["Location"]

token = client.fetch_token(server["token_endpoint"], authorization_response=back.headers["Location"], state=state,
                           code_verifier=VERIFIER)
keys = JsonWebKey.import_key_set(requests.get(server["jwks_uri"], verify=ca_file).json())
options = {"iss": {"values": [issuer]}, "aud": {"value": client_id}, "nonce": {"value": NONCE}}
parameters = {"nonce": NONCE, "client_id": client_id, "access_token": token["access_token"]}
claims = jwt.decode(token["id_token"], keys, claims_cls=CodeIDToken, claims_options=options, claims_params=parameters)
claims.validate()
assert claims["sub"] == user_id, claims
assert claims.header["alg"] in server["id_token_signing_alg_values_supported"], claims.header

info = client.get(server["userinfo_endpoint"])
info.raise_for_status()
assert info.json()["sub"] == user_id and info.json()["email"] == email, info.json()

first = dict(token)
renewed = client.refresh_token(server["token_endpoint"], refresh_token=first["refresh_token"])
assert renewed["access_token"] != first["access_token"]
assert client.get(server["userinfo_endpoint"]).status_code == 200
said = client.introspect_token(server["introspection_endpoint"], token=renewed["access_token"])
assert said.json()["active"] is True, said.text
revoked = client.revoke_token(server["revocation_endpoint"], token=renewed["refresh_token"])
assert revoked.status_code == 200, revoked.text
again = requests.post(server["token_endpoint"], auth=(client_id, client_secret), verify=ca_file,
                      data={"grant_type": "refresh_token", "refresh_token": renewed["refresh_token"]})
assert again.status_code == 400 and again.json()["error"] == "invalid_grant", again.text
print("signed in as", claims["sub"])
