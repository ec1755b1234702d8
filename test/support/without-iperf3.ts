/** A PATH on which `tunloom lab` finds what it needs, but no iperf3: its transfers would take longer than all others, and end in one number. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

export const WITHOUT_IPERF3 = mkdtempSync(join(tmpdir(), 'tunloom-path-'));
symlinkSync(execFileSync('which', ['ip'], { encoding: 'utf8' }).trim(), join(WITHOUT_IPERF3, 'ip'));
afterAll(() => rmSync(WITHOUT_IPERF3, { recursive: true }));
