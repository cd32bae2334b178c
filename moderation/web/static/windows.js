/** The windows: the parts of a video that are played unless the whole of it is asked for. */

export class Windows {
  /** @param {[number, number][]} spans  microseconds, in time order, apart from each other */
  constructor(spans) {
    this.spans = spans;
  }

  /** Nothing was flagged: there is nothing to keep to. */
  get empty() {
    return this.spans.length === 0;
  }

  get first() {
    return this.spans[0][0];
  }

  get end() {
    return this.spans[this.spans.length - 1][1];
  }

  /** @param {number} us */
  contains(us) {
    return this.spans.some(([start, end]) => start <= us && us < end);
  }

  /**
   * Where to play on from: there, or the start of the next window.
   *
   * @param {number} us
   * @returns {number | null} null after the last
   */
  forward(us) {
    const next = this.spans.find(([, end]) => us < end);
    return next ? Math.max(us, next[0]) : null;
  }

  /**
   * Where a jump back lands: there, or as far before the end of the window before it.
   *
   * @param {number} us
   * @param {number} step  how far the jump went
   */
  back(us, step) {
    if (this.contains(us)) return us;
    const before = this.spans.filter(([, end]) => end <= us).pop();
    return before ? Math.max(before[0], before[1] - step) : this.first;
  }
}
