// Compiles every .sol file of this folder to a .json beside it:  npm ci && npm run build
// The output is committed; it changes only when a source, the compiler or a setting does.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import solc from "solc";

const settings = {
  evmVersion: "prague",
  optimizer: { enabled: true, runs: 1_000_000 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};
const sources = {};
for (const file of readdirSync(".").filter((name) => name.endsWith(".sol")).sort()) {
  sources[file] = { content: readFileSync(file, "utf8") };
}
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
for (const error of output.errors ?? []) console.error(error.formattedMessage);
if ((output.errors ?? []).some((error) => error.severity === "error")) process.exit(1);

for (const file of Object.keys(sources)) {
  const name = file.replace(".sol", "");
  const { abi, evm } = output.contracts[file][name];
  const artefact = {
    contract: name,
    compiler: solc.version(),
    evmVersion: settings.evmVersion,
    optimizerRuns: settings.optimizer.runs,
    abi,
    bytecode: "0x" + evm.bytecode.object,
    deployedBytecode: "0x" + evm.deployedBytecode.object,
  };
  writeFileSync(`${name}.json`, JSON.stringify(artefact, null, 1) + "\n");
}
