// Rounds in time: whoever asks is served in the next round of its period, and all who share a period in one turn, so that what
// goes to one socket leaves in one write. Knows nothing of what a round does.

export interface PacerOptions {
  readonly now: () => number;
  /** Runs work after so many milliseconds, 0 being a later turn. */
  readonly after: (delayMs: number, work: () => void) => void;
}

interface Rhythm<Member> {
  readonly waiting: Set<Member>;
  lastMs: number;
  /** Whether a round is on its way. */
  isDue: boolean;
}

export class Pacer<Member> {
  readonly #options: PacerOptions;
  readonly #serve: (member: Member) => void;
  readonly #rhythms = new Map<number, Rhythm<Member>>();

  constructor(options: PacerOptions, serve: (member: Member) => void) {
    this.#options = options;
    this.#serve = serve;
  }

  /**
   * Serves a member once in the next round: at once (in a later turn) where the last round is a period ago, else when it is.
   * No timer runs while nobody waits.
   */
  ask(member: Member, periodMs: number): void {
    let rhythm = this.#rhythms.get(periodMs);
    if (!rhythm) {
      rhythm = { waiting: new Set(), lastMs: Number.NEGATIVE_INFINITY, isDue: false };
      this.#rhythms.set(periodMs, rhythm);
    }
    rhythm.waiting.add(member);
    if (rhythm.isDue) return;
    rhythm.isDue = true;
    const due = rhythm.lastMs + periodMs - this.#options.now();
    this.#options.after(Math.max(0, due), () => this.#round(rhythm));
  }

  #round(rhythm: Rhythm<Member>): void {
    rhythm.isDue = false;
    rhythm.lastMs = this.#options.now();
    const members = [...rhythm.waiting];
    rhythm.waiting.clear();
    for (const member of members) this.#serve(member);
  }
}
