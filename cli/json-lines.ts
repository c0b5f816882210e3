// A log with one JSON object a line, written in order while other work goes on.
import { type FileHandle, open } from 'node:fs/promises';
import { system, writeError } from '../src/node/system-error.ts';

export class JsonLines {
  readonly #path: string;
  readonly #handle: FileHandle;
  #writing: Promise<unknown> = Promise.resolve();
  #written = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Errors: E5001 no such folder, E5002 permission, E5004 other. */
  static async open(path: string, { append }: { readonly append: boolean }): Promise<JsonLines> {
    return new JsonLines(path, await system(path, 'written', () => open(path, append ? 'a' : 'w')));
  }

  write(event: object): void {
    const line = `${JSON.stringify(event)}\n`;
    this.#writing = this.#writing.then(() => this.#handle.appendFile(line)).then(() => void (this.#written += line.length));
    // Told when the log is closed.
    this.#writing.catch(() => {});
  }

  /** Errors: E5003 disk full, E5004 other, of any of the lines. */
  async close(): Promise<void> {
    try {
      await this.#writing;
    } catch (error) {
      throw writeError(error, this.#path, this.#written, 1);
    } finally {
      await this.#handle.close();
    }
  }
}
