// The command line as a process, for tests. Needs the build in dist.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

export const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Envelope {
  readonly tool: string;
  readonly command: string;
  readonly ok: boolean;
  readonly exitCode: number;
  // The shape of the results is the command's own.
  readonly results: Record<string, never>;
  readonly findings: readonly { readonly code: string; readonly message: string }[];
}

export interface CommandLine {
  omnix(...args: string[]): Ended;
  shell(script: string, env?: Record<string, string>): Ended;
  /** The envelope of --json, which always says how the process ended. */
  json(...args: string[]): Envelope & { readonly code: number | null };
}

/** Commands that run in `cwd`. */
export function commandLine(cwd: string): CommandLine {
  const facts = { cwd, encoding: 'utf8', timeout: 50_000 } as const;
  const omnix = (...args: string[]): Ended => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], facts);
    return { code: status, out: stdout, err: stderr };
  };
  return {
    omnix,
    shell(script, env = {}) {
      const own = { ...process.env, NODE: process.execPath, MAIN: main, ...env };
      const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { ...facts, env: own });
      return { code: status, out: stdout, err: stderr };
    },
    json(...args) {
      const { code, out } = omnix(...args, '--json');
      const envelope = JSON.parse(out) as Envelope;
      expect(envelope).toMatchObject({ tool: 'omnix', exitCode: code, ok: code === 0 });
      return { ...envelope, code };
    },
  };
}
