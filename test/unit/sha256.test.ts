import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Sha256 } from '../../src/codec/sha256.ts';

test('bytes in parts have the digest that the platform gives all of them', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 6 }), parts => {
      const own = new Sha256();
      for (const part of parts) own.update(part);
      expect(own.digest()).toBe(createHash('sha256').update(Buffer.concat(parts)).digest('hex'));
    }),
  );
});
