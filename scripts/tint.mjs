// Validates WGSL with Tint, through Dawn's null backend: no GPU needed. tests/shaders runs it.
//   node scripts/tint.mjs PATH/TO/node_modules/webgpu/index.js < modules.json
// Reads [{name, wgsl, constants, entries}], prints {name: message}; an empty message is a pass.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const { create } = await import(pathToFileURL(process.argv[2]));
const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
const adapter = await gpu.requestAdapter();
const wanted = ['subgroups', 'shader-f16'].filter((feature) => adapter.features.has(feature));
const device = await adapter.requestDevice({ requiredFeatures: wanted });

const verdicts = {};
for (const { name, wgsl, constants, entries } of JSON.parse(readFileSync(0, 'utf8'))) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: wgsl });
  // The pipeline applies the constants, which some rules wait for.
  for (const entryPoint of entries) {
    device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint, constants } });
  }
  const error = await device.popErrorScope();
  const { messages } = await module.getCompilationInfo();
  const lines = messages
    .filter((m) => m.type === 'error')
    .map((m) => `line ${m.lineNum}:${m.linePos}: ${m.message}: ${wgsl.split('\n')[m.lineNum - 1] ?? ''}`);
  verdicts[name] = lines.join('\n') || error?.message || '';
}
console.log(JSON.stringify(verdicts));
// Dawn's own threads would keep node alive.
process.exit(0);
