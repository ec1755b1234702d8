/** Whether the files that a process may open are enough. */
import { expect, test } from 'vitest';
import { refuseTooFewFiles } from '../../src/node/open-files.ts';

const limits = (
  soft: number | string,
): string => `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            ${soft}                 ${soft}                 files
`;

test('what is missing is named with what is needed', () => {
  expect(() => refuseTooFewFiles(4, 10, limits(64))).toThrow(
    'only 64 files may be open (RLIMIT_NOFILE), and 4 worker(s) with 10 local end(s) of paths need 234',
  );
  expect(() => refuseTooFewFiles(4, 10, limits(1024))).not.toThrow();
  expect(() => refuseTooFewFiles(16, 254, limits('unlimited'))).not.toThrow();
  expect(() => refuseTooFewFiles(1, 1, '')).not.toThrow();
});
