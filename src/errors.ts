/** The error type of everything outside the hot path: a stable code for programs, a sentence for people. */

/** An error with a stable `code`; `message` names the file, key, session or system call concerned. */
export class TunloomError extends Error {
  override readonly name = 'TunloomError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
