// Headers of objects in HDF5 files: the messages that say what a group or a dataset is, in blocks that lead to each other.
import { fail } from '../errors.ts';
import type { Cursor, HdfFile } from './hdf5-file.ts';

/** Kinds of messages that are read. */
export const kinds = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  fill: 0x05,
  link: 0x06,
  external: 0x07,
  layout: 0x08,
  filters: 0x0b,
  attribute: 0x0c,
  symbols: 0x11,
  attributeInfo: 0x15,
} as const;
const continuation = 0x10;
const mostMessages = 100_000;
/** What the header itself does not hold, but leads to. */
const sharedFlag = 2;

export class Messages {
  readonly #file: HdfFile;
  readonly #all: readonly Message[];
  constructor(file: HdfFile, all: readonly Message[]) {
    this.#file = file;
    this.#all = all;
  }
  /** Each message of a kind, from its start. */
  all(kind: number): Cursor[] {
    return this.#all
      .filter(m => m.kind === kind)
      .map(({ flags, body, at }) => {
        if (flags & sharedFlag) throw this.#file.fail('E2002', 'messages that headers share are not read', at);
        return body();
      });
  }
  find(kind: number): Cursor | undefined {
    return this.all(kind)[0];
  }
}

interface Message {
  readonly kind: number;
  readonly flags: number;
  readonly at: number;
  readonly body: () => Cursor;
}

/** Names of kinds, for errors. */
const titles = new Map(Object.entries(kinds).map(([name, kind]) => [kind as number, name.replace(/[A-Z]/g, c => ` ${c.toLowerCase()}`)]));

/** All messages of the header at an address. @throws ModelError E1105 where its blocks lead in a circle */
export async function messagesAt(file: HdfFile, at: number): Promise<Messages> {
  const isNew = (await file.block(at, 4, 'object header')).text(4) === 'OHDR';
  const first = isNew ? await newHeader(file, at) : await oldHeader(file, at);
  const blocks = [first.block];
  const seen = new Set([first.block.start]);
  const all: Message[] = [];
  for (const block of blocks)
    for (const message of messagesIn(block, first)) {
      if (all.length >= mostMessages)
        throw fail('E1009', `an object header of more than ${mostMessages} messages`, {
          file: file.source.name,
          offset: at,
          limit: { name: 'hdf5.messages', value: mostMessages },
        });
      if (message.kind !== continuation) all.push(message);
      else {
        const body = message.body();
        const [next, length] = [body.address(), body.length()];
        const inner = isNew ? await newBlock(file, next, length) : await file.block(next, length, 'object header');
        if (seen.has(inner.start)) throw file.fail('E1105', `the object header at offset ${at} leads back to offset ${next}`, body.start);
        seen.add(inner.start);
        blocks.push(inner);
      }
    }
  return new Messages(file, all);
}

interface Header {
  readonly block: Cursor;
  readonly isNew: boolean;
  /** Bytes between the fields of a message and its content. */
  readonly extra: number;
}

async function oldHeader(file: HdfFile, at: number): Promise<Header> {
  const head = await file.block(at, 16, 'object header');
  const version = head.u8();
  if (version !== 1) throw file.fail('E1006', `no object header at offset ${at}: version ${version}, expected 1 or 2`, at);
  head.skip(7);
  return { block: await file.block(at + 16, head.u32(), 'object header'), isNew: false, extra: 3 };
}

async function newHeader(file: HdfFile, at: number): Promise<Header> {
  const head = await file.block(at, 6, 'object header');
  head.skip(4);
  const version = head.u8();
  if (version !== 2) throw file.fail('E1006', `no object header at offset ${at}: version ${version}, expected 1 or 2`, at + 4);
  const flags = head.u8();
  const before = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
  const width = 1 << (flags & 3);
  const size = (await file.block(at + before, width, 'object header')).uint(width);
  return { block: await file.block(at + before + width, size, 'object header'), isNew: true, extra: flags & 4 ? 2 : 0 };
}

async function newBlock(file: HdfFile, at: number, length: number): Promise<Cursor> {
  const block = await file.block(at, length, 'object header');
  block.expect('OCHK');
  // The checksum at the end is no message.
  return block.part(Math.max(0, block.left - 4));
}

function* messagesIn(block: Cursor, { isNew, extra }: Header): Generator<Message> {
  const fields = (isNew ? 4 : 5) + extra;
  while (block.left >= fields) {
    const at = block.offset;
    const kind = isNew ? block.u8() : block.u16();
    const size = block.u16();
    const flags = block.u8();
    block.skip(extra);
    const [start, length] = [block.offset, Math.min(size, block.left)];
    if (length < size) throw block.file.fail('E1005', `a message of the object header needs ${size - length} more bytes`, at);
    const part = block.part(size, `message ${titles.get(kind) ?? kind}`);
    yield { kind, flags, at: start, body: () => part.again() };
  }
}
