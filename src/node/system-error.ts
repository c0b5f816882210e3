// System errors as findings: the one place that knows errno names.
import { fail, ModelError } from '../errors.ts';

/** A path that the system can be asked for. Errors: E4001. */
export function checkedPath(path: string): string {
  if (path === '' || path.includes('\0')) throw fail('E4001', `${JSON.stringify(path)} is not a path`);
  return path;
}

/** The errno name of a system error. */
export const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;

/** Run `call` and name `path` in its error. */
export async function system<T>(path: string, done: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw systemError(cause, path, done);
  }
}

/** E5001 not found, E5002 permission, E5003 disk full, E5004 any other; a ModelError stays as it is. */
export function systemError(cause: unknown, path: string, done: string): ModelError {
  if (cause instanceof ModelError) return cause;
  const code = errorCode(cause);
  const place = { file: path };
  if (code === 'ENOENT' || code === 'ENOTDIR') return fail('E5001', `${path} does not exist`, place, { cause });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return fail('E5002', `${path} may not be ${done}`, place, { cause });
  if (code === 'ENOSPC' || code === 'EFBIG' || code === 'EDQUOT') return writeError(cause, path, 0, 0);
  return fail('E5004', `${path} could not be ${done}: ${cause instanceof Error ? cause.message : String(cause)}`, place, { cause });
}

const fullReasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EFBIG: 'the file size limit is reached',
  EDQUOT: 'the quota is used up',
};

/** As `systemError`, and what did not fit: `written` bytes are in the file, `needed` more were to follow. */
export function writeError(cause: unknown, path: string, written: number, needed: number): ModelError {
  const reason = fullReasons[errorCode(cause) ?? ''];
  if (cause instanceof ModelError || reason === undefined) return systemError(cause, path, 'written');
  const text = `${path}: ${reason} after ${written} bytes${needed > 0 ? `, at least ${needed} more are needed` : ''}`;
  return fail('E5003', text, { file: path, offset: written }, { cause });
}
