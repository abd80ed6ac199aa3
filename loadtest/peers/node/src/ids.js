// Ids in the ObjectId layout: four bytes of time, then eight that no other process makes.

import { randomBytes } from "node:crypto";

const ownPart = randomBytes(5).toString("hex");
let counter = randomBytes(3).readUIntBE(0, 3);

/** 24 lower-case hex characters. */
export function newId() {
  counter = (counter + 1) & 0xffffff;
  const seconds = Math.floor(Date.now() / 1000);
  return seconds.toString(16).padStart(8, "0") + ownPart + counter.toString(16).padStart(6, "0");
}

const ID = /^[0-9a-f]{24}$/;

/** Whether a value from outside has the form of an id. */
export const isId = (value) => typeof value === "string" && ID.test(value);
