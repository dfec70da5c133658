/** What goes wrong with a database. */

/** The database cannot be reached or written; callers get `503`. Nothing was changed, except by {@link UnknownOutcome}. */
export class StoreError extends Error {
  override readonly name: string = 'StoreError';
}

/** A connection that broke, or never came about, before anything was committed. */
export class LostConnection extends StoreError {
  override readonly name = 'LostConnection';
  /** `true`: the database was waited for in vain, and a second try would take as long. */
  readonly slow: boolean;

  constructor(message: string, cause?: unknown, slow = false) {
    super(message, { cause });
    this.slow = slow;
  }
}

/** Somebody else holds a row that is waited for only briefly: the transaction was rolled back, and may be tried again. */
export class RowHeld extends StoreError {
  override readonly name = 'RowHeld';
}

/** A transaction that was committed, or not: the answer never came, or came with a warning. */
export class UnknownOutcome extends StoreError {
  override readonly name = 'UnknownOutcome';
  /** `false`: the database has it, and warns that it may lose it (a synchronous standby is absent). */
  readonly askable: boolean;

  constructor(message: string, askable: boolean, cause?: unknown) {
    super(message, { cause });
    this.askable = askable;
  }
}
