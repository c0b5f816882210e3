// Loaded into a measured process: writes its peak memory in bytes and its running time in ms to the file that BENCH_REPORT names.
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  writeFileSync(process.env.BENCH_REPORT, JSON.stringify({ peak: process.resourceUsage().maxRSS * 1024, ms: performance.now() }));
});
