// Settings, from the environment only. Names are those of the gateway where they mean the same.

import { availableParallelism } from "node:os";

/** A setting is missing or wrong; the message says all of them, and no secret. */
export class ConfigError extends Error {}

/** Reads and checks every setting; throws one `ConfigError` that names all that is wrong. */
export function readConfig(env) {
  const wrong = [];
  const required = (name) => {
    if (!env[name]) wrong.push(`${name} is required`);
    return env[name] ?? "";
  };
  const whole = (name, fallback, least, most) => {
    const text = env[name];
    if (text === undefined || text === "") return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
      wrong.push(`${name} is a whole number from ${least} to ${most}`);
    }
    return value;
  };
  const config = {
    ...address(env.LISTEN_ADDR || "0.0.0.0:3001", wrong),
    /** Where probes are answered, if anywhere. */
    admin: env.ADMIN_ADDR ? address(env.ADMIN_ADDR, wrong, "ADMIN_ADDR") : undefined,
    databaseUrl: required("DATABASE_URL"),
    redisUrl: required("REDIS_URL"),
    secret: required("JWT_HS256_SECRET"),
    /** Processes; each has its own connections to Postgres and Redis. */
    workers: whole("WORKERS", availableParallelism(), 1, 256),
    /** Of each process. */
    databaseConnections: whole("DATABASE_MAX_CONNECTIONS", 10, 2, 1_000),
    maxMessageBytes: whole("MAX_MESSAGE_BYTES", 16 * 1024, 1, 1024 * 1024),
    leewaySeconds: whole("JWT_LEEWAY_SECONDS", 5, 0, 300),
    /** A client for which more than this waits is cut. */
    pendingBytesMax: whole("PENDING_BYTES_MAX", 1024 * 1024, 64 * 1024, 1024 * 1024 * 1024),
  };
  if (config.secret && Buffer.byteLength(config.secret) < 32) {
    wrong.push("JWT_HS256_SECRET has at least 32 bytes");
  }
  if (wrong.length > 0) throw new ConfigError(wrong.join("; "));
  return config;
}

function address(text, wrong, name = "LISTEN_ADDR") {
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 0 || port > 65_535) {
    wrong.push(`${name} is host:port`);
  }
  return { host: text.slice(0, Math.max(colon, 0)).replace(/^\[|\]$/g, ""), port };
}
