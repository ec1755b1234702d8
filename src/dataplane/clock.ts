/** The data plane's clock. */
import { hrtime } from 'node:process';

/** CLOCK_MONOTONIC in microseconds: the same clock in every thread, unlike performance.now(). */
export function monotonicMicroseconds(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e6 + Math.floor(nanoseconds / 1e3);
}
