/**
 * Actions for when the process ends by process.exit() or an error that nobody caught: threads that sleep in system calls have to be
 * woken, or the process waits for them for ever; namespaces have to go. What stops in order takes its action back.
 */

const actions = new Set<() => void>();

/** Runs `action`, which must be synchronous, when the process ends; gives a function that takes it back. */
export function atExit(action: () => void): () => void {
  if (!actions.size) process.on('exit', runAll);
  actions.add(action);
  return () => {
    actions.delete(action);
    if (!actions.size) process.off('exit', runAll);
  };
}

/** One that fails keeps no other from being run; the first failure is reported. */
function runAll(): void {
  const failures: unknown[] = [];
  for (const action of actions) {
    try {
      action();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length) throw failures[0];
}
