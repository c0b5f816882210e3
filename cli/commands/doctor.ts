// omnix doctor: what this machine offers, for people who wonder and for reports of defects.
import { constants } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, release, totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { findCpuAddon } from '../../src/node/addon.ts';
import { backends } from '../backends.ts';
import { type Outcome, type Output, version } from '../output.ts';
import { bytesText, columns, shown, wantsColour } from '../terminal.ts';

interface BackendState {
  readonly name: string;
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
  /** The file that it was loaded from. */
  readonly file?: string;
  /** What it computes on and how. */
  readonly device?: string;
}

export async function doctor(_args: readonly string[], _options: object, out: Output): Promise<Outcome> {
  const processor = readProcessor();
  const results = {
    versions: { omnix: version, node: process.versions.node, v8: process.versions.v8 },
    system: { platform: process.platform, arch: process.arch, release: release() },
    processor,
    memory: { totalBytes: totalmem(), freeBytes: freemem() },
    limits: { heapBytes: getHeapStatistics().heap_size_limit, arrayBytes: constants.MAX_LENGTH, stringUnits: constants.MAX_STRING_LENGTH },
    terminal: {
      stdoutIsTerminal: process.stdout.isTTY === true,
      stderrIsTerminal: process.stderr.isTTY === true,
      colour: wantsColour({ isTTY: process.stdout.isTTY === true, env: process.env, allowed: out.options.color !== false }),
    },
    backends: await Promise.all(Object.entries(backends).map(([name, create]) => stateOf(name, create))),
  };
  const { versions, system, memory, limits, terminal } = results;
  const facts = columns([
    ['omnix', versions.omnix],
    ['Node', `${versions.node} (V8 ${versions.v8})`],
    ['system', `${system.platform} ${system.arch}, ${shown(system.release)}`],
    ['processor', `${shown(processor.model)}, ${processor.cores} usable cores`],
    ['features', processor.features.join(' ') || 'not known'],
    ['memory', `${bytesText(memory.totalBytes)}, free ${bytesText(memory.freeBytes)}`],
    ['limits', `heap ${bytesText(limits.heapBytes)}, one array ${bytesText(limits.arrayBytes)}, one string ${limits.stringUnits} units`],
    ['terminal', `output ${terminal.stdoutIsTerminal ? 'yes' : 'no'}, colour ${terminal.colour ? 'on' : 'off'}`],
    ...results.backends.map(b => [
      `backend ${b.name}`,
      b.available
        ? `${out.paint('green', 'available')}${[b.file, b.device].map(fact => (fact ? `, ${shown(fact, 400)}` : '')).join('')}`
        : shown(`no: ${b.reason}`, 200),
    ]),
  ]);
  return { results, text: facts };
}

async function stateOf(name: string, create: (typeof backends)[keyof typeof backends]): Promise<BackendState> {
  try {
    const backend = await create();
    const usable = await backend.available();
    if (usable !== true) return { name, available: false, reason: usable };
    const file = name === 'cpu' ? findCpuAddon() : undefined;
    const device = await backend.describe?.();
    return { name, available: true, ...(file && { file }), ...(device && { device }) };
  } catch (error) {
    // The doctor reports what is broken, whatever it is.
    return { name, available: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The instruction sets that kernels could use, of those that Linux names. */
const known = /^(sse4_2|avx|avx2|fma|f16c|avx512\w+|avx_vnni|amx_\w+|asimd|asimdhp|asimddp|fphp|sve2?|bf16|i8mm)$/;

function readProcessor(): { model: string; cores: number; features: readonly string[] } {
  const facts = { model: cpus()[0]?.model.trim() || 'not known', cores: availableParallelism() };
  try {
    const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
    return { ...facts, features: flags.split(/\s+/).filter(flag => known.test(flag)) };
  } catch {
    // Only Linux has the file.
    return { ...facts, features: [] };
  }
}
