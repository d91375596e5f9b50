// node run.mjs v4|v5 URL CHAIN: makes all journeys, one after the other, and prints what came of them.
import { watch } from "./wire.mjs";

const [sdk, url, chain] = process.argv.slice(2);
const notes = watch(sdk); // before the SDK is loaded, so that it finds no other fetch
const { open } = await import(`./${sdk}.mjs`);
const { journeys } = await import("./journeys.mjs");
const { Scene } = await import("./scene.mjs");

const results = {};
for (const [name, journey] of Object.entries(journeys)) {
  try {
    results[name] = { facts: await journey(new Scene({ open, sdk, notes, url, chain: Number(chain), name }), sdk) };
  } catch (error) {
    results[name] = { error: `${error.stack ?? error}` };
  }
}
const plain = (_, value) => (typeof value === "bigint" ? value.toString() : value);
const { methods, violations } = notes;
console.log(JSON.stringify({ methods, violations, results }, plain));
