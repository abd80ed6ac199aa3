// Who a client is: a JWT signed with the shared secret.

import { createSecretKey } from "node:crypto";
import jwt from "jsonwebtoken";
import { ApiError } from "./errors.js";

const refused = (why) => new ApiError("UNAUTHORIZED", `UNAUTHORIZED: token ${why}`);

// Characters, not UTF-16 units; none that does not print.
const USER_ID = /^[^\p{C}\p{Zl}\p{Zp}]{1,128}$/u;

/** Whether a value from outside can be the id of a user. */
export const isUserId = (value) => typeof value === "string" && USER_ID.test(value);

/** A function from a token to `{user, expires}` (`expires` in ms), which throws an ApiError. */
export function verifier(secret, leewaySeconds) {
  // From a string the library would make a key for each token, by trying what kind it may be.
  const key = createSecretKey(Buffer.from(secret));
  return (token) => {
    if (!token) throw refused("missing");
    let claims;
    try {
      // The library applies its tolerance to `exp` too, which the contract does not allow for.
      claims = jwt.verify(token, key, {
        algorithms: ["HS256"],
        clockTolerance: leewaySeconds,
      });
    } catch (error) {
      if (error.name === "TokenExpiredError") throw refused("expired");
      throw refused(error.message === "jwt malformed" ? "malformed" : "refused");
    }
    if (!Number.isFinite(claims?.exp) || !isUserId(claims.sub)) throw refused("refused");
    if (claims.exp * 1000 <= Date.now()) throw refused("expired");
    return { user: claims.sub, expires: claims.exp * 1000 };
  };
}

const bare = (value) => (typeof value === "string" ? value.replace(/^bearer\s+/i, "").trim() : "");

/** The token of a REST request; empty if there is none. */
export function tokenOfRequest(headers) {
  const header = headers.authorization ?? "";
  return /^bearer\s/i.test(header) ? bare(header) : "";
}

/** The token of a Socket.IO handshake: header, then `auth`, then query. */
export function tokenOfHandshake({ headers, auth, query }) {
  const inAuth = [auth?.token, auth?.accessToken, auth?.authorization];
  const places = [...inAuth, query.token, query.auth_token];
  return tokenOfRequest(headers) || places.map(bare).find((token) => token !== "") || "";
}
