/** Ends the parts of a lab. */

/** Carries out all of these in order, also after one has failed; throws the first failure. */
export async function stopAll(steps: readonly (() => void | Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length) throw failures[0];
}
