// Reads a list of objects as JSON, and writes for each what its custom resource says against it: a list of
// complaints, or null for a kind that nothing is known of.
//
// Two judges see each object. The compiled schema knows what is needed, and the patterns and words of
// values; but like a cluster it lets unknown fields pass. The type of TypeScript does not.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const SOURCES = {
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "keda.sh": "@kubernetes-models/keda",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};

const modelOf = ({ apiVersion, kind }) => {
  const source = SOURCES[apiVersion.split("/")[0]];
  return source && `${source}/${apiVersion}/${kind}`;
};

const saysSchema = async (object, model) => {
  let models;
  try {
    models = await import(model);
  } catch (error) {
    return [`no such kind: ${error.message}`];
  }
  try {
    new models[object.kind](object).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
};

// The compiler sees one file with all objects, each as a literal of its type.
const sayTypes = (objects) => {
  const file = fileURLToPath(new URL("objects.ts", import.meta.url));
  const parts = objects.map(({ object, model }, at) => {
    const type = `import("${model}").I${object.kind}`;
    return `const object${at}: ${type} = ${JSON.stringify(object)};`;
  });
  const options = {
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    noEmit: true,
    skipLibCheck: true,
    strict: true,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts"],
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === file
      ? ts.createSourceFile(name, parts.join("\n"), options.target)
      : getSourceFile(name, ...rest);
  const said = objects.map(() => []);
  for (const found of ts.getPreEmitDiagnostics(ts.createProgram([file], options, host))) {
    const text = ts.flattenDiagnosticMessageText(found.messageText, " ");
    if (found.file?.fileName !== file) throw new Error(text);
    said[found.file.getLineAndCharacterOfPosition(found.start).line].push(text);
  }
  return said;
};

const objects = JSON.parse(readFileSync(0, "utf8"));
const known = objects.map((object) => ({ object, model: modelOf(object) })).filter(({ model }) => model);
const types = sayTypes(known);
const complaints = new Map();
for (const [at, { object, model }] of known.entries()) {
  complaints.set(object, [...(await saysSchema(object, model)), ...types[at]]);
}
console.log(JSON.stringify(objects.map((object) => complaints.get(object) ?? null)));
