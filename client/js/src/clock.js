// The server's time, told by the `Date` of its answers: a call must not be dated by a clock that is wrong.

/** Milliseconds. `Date` has whole seconds, and is a moment old when it is read: what differs by less is taken for equal. */
export const TOLERANCE_MS = 5_000;

export class Clock {
  /** Milliseconds to add to this machine's time; 0 where its clock is right, or nothing is known yet. */
  offset = 0;
  /** Whether the server was asked. */
  isAsked = false;

  /**
   * Take an answer's `Date`.
   * @param {string | null} date
   * @param {number} received when it came, by this machine
   */
  heard(date, received) {
    const told = date ? Date.parse(date) : Number.NaN;
    if (Number.isNaN(told)) return;
    this.isAsked = true;
    const offset = told + 500 - received; // the header's second has begun, and is not over
    if (Math.abs(offset) <= TOLERANCE_MS) this.offset = 0;
    else if (Math.abs(offset - this.offset) > TOLERANCE_MS) this.offset = offset;
  }

  /**
   * A time of this machine in the server's.
   * @param {number} moment
   */
  told(moment) {
    return new Date(moment + this.offset).toISOString();
  }
}
