// Is a document valid AsyncAPI 3.0? Usage: node validate.js ../../../shared/contracts/asyncapi.json
// The meta schema comes with the package @asyncapi/specs: nothing is fetched.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import Ajv from "ajv";
import addFormats from "ajv-formats";

const require = createRequire(import.meta.url);
const metaSchema = require("@asyncapi/specs/schemas/3.0.0-without-$id.json");

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
// Each part of the meta schema names draft-07 by its own address, with and without a trailing "#".
const isValid = ajv.compile(metaSchema);

const document = JSON.parse(readFileSync(process.argv[2], "utf8"));
if (!isValid(document)) {
  for (const error of isValid.errors) console.error(`${error.instancePath || "/"} ${error.message}`);
  process.exit(1);
}
console.log(`valid AsyncAPI ${document.asyncapi}: ${Object.keys(document.channels).length} channels`);
