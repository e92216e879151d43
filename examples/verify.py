"""Verifies Ratchet's access tokens and follows its revocations, with PyJWT (Debian: python3-jwt) alone.

    AUTH_URL=https://auth.example AUTH_SECRET=... python3 verify.py < tokens    # a token a line, a status a line
"""
import base64, json, os, sys, threading, time, urllib.parse, urllib.request
from datetime import datetime
import jwt

URL = os.environ["AUTH_URL"]
ISSUER, AUDIENCE = os.environ.get("AUTH_ISSUER", URL), os.environ.get("AUTH_AUDIENCE", "ratchet")
JWKS = os.environ.get("AUTH_JWKS_URL", URL + "/.well-known/jwks.json")
BASIC = base64.b64encode(f"{os.environ.get('AUTH_NAME', 'orders')}:{os.environ['AUTH_SECRET']}".encode()).decode()
MAX_STALENESS, MARGIN = 60, 120


def get(url, timeout, headers={}):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
        return json.load(answer)


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Revocations:
    def __init__(self):
        self.sessions, self.users, self.version = {}, {}, 0
        self.fresh_since, self.ttl, self.offsets = float("-inf"), 0, []
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        cursor, wait, pause = "", 0, 0
        while True:
            time.sleep(pause)
            asked = time.monotonic()
            try:
                query = urllib.parse.urlencode({"wait": wait, **({"after": cursor} if cursor else {})})
                answer = get(f"{URL}/auth/revocations?{query}", wait + 4, {"Authorization": f"Basic {BASIC}"})
                if answer["issuer"] != ISSUER:
                    raise ValueError("another issuer")
                self.merge(answer)
            except Exception as error:  # whatever it was: what is known grows older, and 503 follows
                print(f"revocations: {error}", file=sys.stderr)
                wait, pause = max(wait // 2, 0), 1
                continue
            page, cursor = answer["snapshot"], answer["cursor"]
            complete = page is None or page["page"] == page["pages"]
            if complete:
                self.fresh_since = asked  # not the moment of the answer: it proves what was known when it was asked for
            wait, pause = (20 if complete else 0), (1 if page and complete else 0)

    def merge(self, answer):
        self.offsets = [*self.offsets, seconds(answer["now"]) - time.monotonic()][-10:]
        self.ttl = answer["accessTokenTtl"]
        until = self.now() + self.ttl + MARGIN
        for one in answer["revocations"]:
            if one["kind"] == "session":
                self.sessions[one["subject"]] = until
            else:
                known = self.users.get(one["subject"], (0, 0))[0]
                self.users[one["subject"]] = (max(known, one["minVersion"]), until)
        if answer["policy"]["version"] >= self.version:  # version, mode and deadline are one value
            self.version, self.policy = answer["policy"]["version"], answer["policy"]
        self.sessions = {key: end for key, end in self.sessions.items() if end > self.now()}
        self.users = {key: pair for key, pair in self.users.items() if pair[1] > self.now()}

    def now(self):
        return time.monotonic() + max(self.offsets)

    def status(self, claims):
        if time.monotonic() - self.fresh_since > MAX_STALENESS:
            return 503
        now, ends = self.now(), self.policy["graceEndsAt"]
        in_grace = ends is not None and now <= seconds(ends) and claims["gv"] == self.version - 1
        over = now >= min(claims["exp"], claims["iat"] + self.ttl) or "act" in claims
        revoked = claims["sid"] in self.sessions or claims["uv"] < self.users.get(claims["sub"], (1, 0))[0]
        return 401 if over or revoked or not (claims["gv"] >= self.version or in_grace) else 200


def main():
    revocations, keys = Revocations(), jwt.PyJWKClient(JWKS)
    algorithms = {"EC": ["ES256"], "OKP": ["EdDSA"], "RSA": ["RS256"]}  # the key's, never the token's
    options = {"verify_exp": False, "verify_iat": False, "require": ["sub", "sid", "iat", "exp", "gv", "uv"]}
    for token in map(str.strip, sys.stdin):
        try:
            if jwt.get_unverified_header(token).get("typ") != "at+jwt":
                raise jwt.InvalidTokenError("not an access token")
            key = keys.get_signing_key_from_jwt(token)
            kty = key._jwk_data["kty"]
            claims = jwt.decode(token, key.key, algorithms[kty], options, audience=AUDIENCE, issuer=ISSUER)
            print(revocations.status(claims), flush=True)
        except jwt.PyJWKClientError as error:  # an unknown key, or no answer
            print(503 if "fetch" in str(error) else 401, flush=True)
        except jwt.InvalidTokenError:
            print(401, flush=True)


main()
