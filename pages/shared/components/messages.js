// Messages of a component to the page: one is in flight at a time, for of two on their way the page may take the first for
// the last. Each has a number, and the page's answer names the number that it answers; then the next is sent, which is
// the newest. After so many milliseconds an answer is taken for lost, as it is when the connection was.
const LOST = 5000;
// An answer that takes so many milliseconds is followed by a rest as long; twice as slow, by four times the rest.
const USUAL = 50;
// A rest is never longer: a pen that pauses is soon answered as it stands.
const LONGEST_REST = 1000;

class Messages {
  #send = null;
  #make = null;
  #rests = false;
  #last = 0;
  #answered = 0;
  #sent = 0;
  #took = 0;
  #timer = 0;

  /** The page has answered the message of this number; send puts a message into the component's state. */
  answered(number, send) {
    if (number > this.#answered) this.#took = performance.now() - this.#sent;
    if (number < this.#answered) this.#last = number; // a new session counts anew
    this.#answered = number;
    this.#last = Math.max(this.#last, number);
    this.#send = send;
    this.#flush();
  }

  /** Whether the page has answered all that was posted. */
  get areAnswered() {
    return this.#make === null && this.#answered >= this.#last;
  }

  /**
   * Send what make returns when its turn has come, or nothing where that is null; what was posted before and not sent is
   * dropped. rests: a server first gets a rest, short where it is idle and long where it is busy, so that all share it.
   */
  post(make, rests = false) {
    this.#make = make;
    this.#rests = rests;
    this.#flush();
  }

  /** Send what waits, even beside a message in flight, for whose answer it shall not wait. */
  hurry() {
    this.#flush(true);
  }

  get #rest() {
    return Math.min(this.#took ** 2 / USUAL, LONGEST_REST);
  }

  #flush(atOnce = false) {
    clearTimeout(this.#timer);
    if (this.#make === null) return;
    const isInFlight = this.#answered < this.#last;
    const due = atOnce ? 0 : isInFlight ? this.#sent + LOST : this.#rests ? this.#sent + this.#took + this.#rest : 0;
    const now = performance.now();
    if (now < due) {
      this.#timer = setTimeout(() => this.#flush(), due - now);
      return;
    }
    const message = this.#make();
    this.#make = null;
    if (message === null) return;
    this.#sent = now;
    this.#send({ ...message, turn: ++this.#last });
  }
}
