import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], exclude: ['test/interop/**', 'test/browser/**', 'test/webgpu/**'], testTimeout: 60_000 },
});
