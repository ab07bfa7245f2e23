// @serenity-kit/opaque, call by call. argv[2]: folder with node_modules. A line on standard input is
// {"of": "client"|"server", "call": name, "arguments": object or null}; a line on standard output
// {"result": what it gave, or null} or {"error": text}.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2] + "/");
const opaque = require("@serenity-kit/opaque");
await opaque.ready;

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let answer;
  try {
    const call = opaque[asked.of][asked.call];
    const result = asked.arguments === null ? call() : call(asked.arguments);
    answer = { result: result ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
