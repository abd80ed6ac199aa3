// Errors that clients see, in the three shapes of the contract.

const KINDS = {
  USER_INPUT_ERROR: [400, 3],
  INVALID_ARGUMENTS: [400, 3],
  UNAUTHORIZED: [401, 16],
  NOT_FOUND: [404, 5],
  CONFLICT: [409, 3],
  PAYLOAD_TOO_LARGE: [413, 3],
  TOO_MANY_REQUESTS: [429, 8],
  UNAVAILABLE: [503, 14],
  INTERNAL_SERVER_ERROR: [500, 13],
};

/** Something that is told to the client. The message never holds what the client sent. */
export class ApiError extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
    [this.status, this.code] = KINDS[name];
  }

  /** The body of REST answers and failed acks. */
  body() {
    return { name: this.name, status: this.status, message: this.message };
  }
}

export const malformed = (message) => new ApiError("USER_INPUT_ERROR", message);
export const unacceptable = (message) => new ApiError("INVALID_ARGUMENTS", message);
export const notFound = () => new ApiError("NOT_FOUND", "not found");
export const unavailable = (message) => new ApiError("UNAVAILABLE", message);

/** Of Postgres and the network below it: it may be well again in a moment. */
const PASSING = /^(08|53|57P|40)|^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND)/;

/** Turns whatever was thrown into what a client may see. */
export function toApiError(error) {
  if (error instanceof ApiError) return error;
  const code = String(error?.code ?? "");
  if (PASSING.test(code) || /connect|terminated|timeout/i.test(error?.message ?? "")) {
    return unavailable("the database is away; whether something was done is not known");
  }
  return new ApiError("INTERNAL_SERVER_ERROR", "internal error");
}
